"""The device: what it is and what state it is in, and time measured on it alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable

import torch

_SMI_FIELDS = {
    "driver": "driver_version",
    "clock, SM": "clocks.sm",
    "clock, memory": "clocks.mem",
    "power": "power.draw",
    "power limit": "power.limit",
    "temperature": "temperature.gpu",
}
_SPIN_CYCLES = 2_000_000
"""A millisecond: while the device spins, the host launches what is timed, so no launch is waited for."""


def describe(device: torch.device, dtype: str) -> dict[str, str]:
    """Return the device's name, size and versions."""
    if device.type == "cpu":
        return {"device": "cpu", "precision": dtype}
    properties = torch.cuda.get_device_properties(device)
    return {
        "device": properties.name,
        "memory": f"{properties.total_memory / 2**30:.0f} GiB",
        "multiprocessors": str(properties.multi_processor_count),
        "compute capability": f"{properties.major}.{properties.minor}",
        "CUDA": str(torch.version.cuda),
        "cuDNN": str(torch.backends.cudnn.version()),  # type: ignore[no-untyped-call]
        "precision": dtype,
    }


def state(device: torch.device) -> dict[str, str]:
    """Return driver, clocks, power and temperature as ``nvidia-smi`` has them now; empty where it cannot be asked."""
    program = shutil.which("nvidia-smi")
    if device.type == "cpu" or program is None:
        return {}
    query = [f"--query-gpu={','.join(_SMI_FIELDS.values())}", "--format=csv,noheader", f"--id={_smi_name(device)}"]
    try:
        done = subprocess.run([program, *query], capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return {}
    values = [value.strip() for value in done.stdout.strip().split(",")]
    return dict(zip(_SMI_FIELDS, values, strict=False))


def _smi_name(device: torch.device) -> str:
    """Return the index or UUID by which nvidia-smi knows the device: it does not look at CUDA_VISIBLE_DEVICES."""
    visible = [one for one in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if one]
    index = device.index or 0
    return visible[index] if index < len(visible) else str(index)


def call_times(run: Callable[[], object], calls: int, device: torch.device) -> list[float]:
    """Return how long the device took for each call, its launch not counted. **Units**: seconds.

    On the CPU it is the call's time.
    """
    times = []
    for _ in range(calls):
        if device.type == "cpu":
            begun = time.perf_counter()
            run()
            times.append(time.perf_counter() - begun)
            continue
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        _spin()
        start.record()
        run()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) / 1e3)
    return times


def _spin() -> None:
    if hasattr(torch.cuda, "_sleep"):  # private; without it the launch is in the time
        torch.cuda._sleep(_SPIN_CYCLES)  # type: ignore[no-untyped-call]


def captured(run: Callable[[], object], device: torch.device) -> Callable[[], object]:
    """Return what replays ``run`` as a CUDA graph; on the CPU ``run`` itself."""
    if device.type == "cpu":
        return run
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        for _ in range(2):
            run()
    torch.cuda.current_stream(device).wait_stream(stream)
    torch.cuda.synchronize(device)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay
