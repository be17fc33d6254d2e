"""The allocator's setting takes effect, in a process of its own: it cannot be undone."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, torch
from jina_v3.encoder.host_memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(6_000_000)  # 24 MB, freed at once
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

torch.ones(6_000_000)
without = faults()
assert keep_freed_memory()
faults()
print(without, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_freed_blocks_are_not_mapped_anew() -> None:
    out = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
    without, kept = map(int, out.split())
    assert kept < without / 10
