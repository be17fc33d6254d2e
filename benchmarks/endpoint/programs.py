"""The servers: how each is started, over which of the two checkpoints, and in which environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.checkpoint import CheckpointPair
from benchmarks.endpoint import dialects
from benchmarks.endpoint.child import ROOT
from benchmarks.endpoint.dialects import Dialect

OURS = "ours"
OURS_BASE64 = "ours, base64"
ENGINE = "engine alone"
INFINITY = "infinity"
FASTAPI = "sentence-transformers + FastAPI"
HF_SERVE = "hf-serve"
PEERS = (INFINITY, FASTAPI, HF_SERVE)

PEERS_PYTHON = ROOT / ".venv-peers-endpoint" / "bin" / "python"
_STARTERS = Path(__file__).parent / "peers"
_NEEDED = {
    INFINITY: ("infinity-emb", "sentence-transformers", "fastapi"),
    FASTAPI: ("sentence-transformers", "fastapi", "uvicorn"),
    HF_SERVE: ("hf-serve", "sentence-transformers", "fastapi"),
}
_SHOWN = ("infinity-emb", "hf-serve", "sentence-transformers", "transformers", "torch", "fastapi", "uvicorn")


@dataclass(frozen=True, slots=True)
class Setting:
    """What all servers of a run share."""

    pair: CheckpointPair
    device: str
    dtype: str
    threads: int
    scratch: Path


@dataclass(frozen=True, slots=True)
class Program:
    """A server to start. ``{port}`` in the command is filled in; without it the log names the port."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    dialect: Dialect
    ready_path: str
    extra: dict[str, Dialect] = field(default_factory=dict)


def common_environment(threads: int) -> dict[str, str]:
    """Return this process's environment with what every program gets alike: threads, and no network."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JINA_V3_", "SAGEMAKER_", "INFINITY_"))
    }
    counts = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "DO_NOT_TRACK": "1", "PYTHONUNBUFFERED": "1"}
    return inherited | counts | offline


def our_program(setting: Setting) -> Program:
    """Return our server, with base64 as an extra way to ask it."""
    environment = common_environment(setting.threads) | {
        "SAGEMAKER_BASE_DIR": str(setting.scratch),
        "SAGEMAKER_BIND_TO_PORT": "0",
        "JINA_V3_BIND_HOST": "127.0.0.1",
        "JINA_V3_MODEL": str(setting.pair.original.resolve()),
        "JINA_V3_DEVICE": setting.device,
        "JINA_V3_DTYPE": setting.dtype,
    }
    command = (str(Path(sys.executable).with_name("serve")), "serve")
    return Program(OURS, command, environment, dialects.OURS_FLOAT, "/ping", {OURS_BASE64: dialects.OURS_BASE64})


def peer_programs(setting: Setting) -> list[Program]:
    """Return the other servers, each asked for the same precision and kept from logging every request."""
    folder, device, dtype = str(setting.pair.native.resolve()), setting.device, setting.dtype
    environment = common_environment(setting.threads)
    environment.pop("PYTHONPATH", None)
    python = str(PEERS_PYTHON)
    infinity = (
        *(python, str(_STARTERS / "start_infinity.py"), "v2", "--model-id", folder, "--served-model-name", "model"),
        *("--engine", "torch", "--device", device.partition(":")[0], "--dtype", dtype, "--bettertransformer", "false"),
        *("--host", "127.0.0.1", "--port", "{port}", "--log-level", "warning"),
    )
    # its own warm-up is 32 texts of 512 tokens, minutes on a processor; ours warms every server up alike
    of_infinity = {
        "INFINITY_MODEL_WARMUP": "false",
        "INFINITY_ANONYMOUS_USAGE_STATS": "0",
        "INFINITY_HOME": str(setting.scratch),
    }
    hf_serve = (
        *(python, str(_STARTERS / "start_hf_serve.py"), "--host", "127.0.0.1", "--port", "{port}"),
        *("--model-dir", folder, "--task", "feature-extraction", "--cloud", "sagemaker"),
        *("--device", device.partition(":")[0], "--dtype", dtype),
    )
    fastapi = (python, str(_STARTERS / "fastapi_app.py"), folder, "{port}", device, dtype)
    return [
        Program(INFINITY, infinity, environment | of_infinity, dialects.INFINITY, "/health"),
        Program(FASTAPI, fastapi, environment, dialects.FASTAPI, "/health"),
        Program(HF_SERVE, hf_serve, environment | {"HF_SERVE_LOGGING_LEVEL": "WARNING"}, dialects.HF_SERVE, "/health"),
    ]


def peer_versions(python: Path = PEERS_PYTHON) -> dict[str, str]:
    """Return the versions of what the peers stand on, of what is installed."""
    if not python.is_file():
        return {}
    asked = sorted({*_SHOWN, *(name for names in _NEEDED.values() for name in names)})
    code = (
        "import importlib.metadata as m, json, sys\n"
        "found = {d.metadata['Name'].lower().replace('_', '-'): d.version for d in m.distributions()}\n"
        "print(json.dumps({n: found[n] for n in sys.argv[1:] if n in found}))"
    )
    done = subprocess.run([python, "-c", code, *asked], capture_output=True, text=True, check=True)
    versions: dict[str, str] = json.loads(done.stdout)
    return {name: versions[name] for name in _SHOWN if name in versions}


def missing_packages(peer: str, versions: dict[str, str]) -> Sequence[str]:
    """Return what a peer needs and is not installed."""
    return [name for name in _NEEDED[peer] if name not in versions]
