"""The encoder in a process of its own, without a server: what the server can be at its best.

``model_folder device dtype``; commands as JSON lines in, the seconds of every call or the vectors out.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.variants import load_ours
from jina_v3.encoder import Encoder


def _obey(encoder: Encoder, command: dict[str, Any]) -> dict[str, Any]:
    texts: list[str] = command["texts"]
    if command["kind"] == "vectors":
        vectors = np.ascontiguousarray(encoder.encode(texts), dtype="<f4")
        return {"shape": vectors.shape, "vectors": base64.b64encode(vectors.tobytes()).decode()}
    seconds = []
    for start in range(0, len(texts), command["batch"]):
        call = texts[start : start + command["batch"]]
        begun = time.perf_counter()
        encoder.encode(call)
        seconds.append(time.perf_counter() - begun)
    return {"seconds": seconds}


def main() -> None:
    """Load the model, say so, and obey commands until there are no more."""
    folder, device, dtype = sys.argv[1:]
    encoder = load_ours(Path(folder), dtype, device)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(_obey(encoder, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
