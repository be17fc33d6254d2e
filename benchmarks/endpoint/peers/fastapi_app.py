"""sentence-transformers behind FastAPI, as it is usually written by hand.

``model_folder port device dtype``; ``POST /embed`` with ``{"texts": […]}``, ``GET /health``.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
import uvicorn
from fastapi import FastAPI  # type: ignore[import-not-found, unused-ignore]
from pydantic import BaseModel
from sentence_transformers import SentenceTransformer


class EmbedRequest(BaseModel):
    """What is asked for."""

    texts: list[str]


def make_app(model: Any) -> Any:
    """Return the application: a plain ``def`` endpoint, which FastAPI runs on its threads."""
    app = FastAPI()

    @app.get("/health")  # type: ignore[untyped-decorator, unused-ignore]
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/embed")  # type: ignore[untyped-decorator, unused-ignore]
    def embed(request: EmbedRequest) -> dict[str, list[list[float]]]:
        vectors = model.encode(request.texts, normalize_embeddings=True, show_progress_bar=False)
        return {"embeddings": vectors.tolist()}

    return app


def main() -> None:
    """Load the model and serve it on loopback."""
    folder, port, device, dtype = sys.argv[1:]
    model = SentenceTransformer(
        folder, device=device, local_files_only=True, model_kwargs={"dtype": getattr(torch, dtype)}
    )
    uvicorn.run(make_app(model), host="127.0.0.1", port=int(port), log_level="warning")


if __name__ == "__main__":
    main()
