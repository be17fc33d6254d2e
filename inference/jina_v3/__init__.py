"""jina-embeddings-v3: its contract, its encoder, and the server around it."""

__version__ = "0.1.0"
