"""From texts to vectors; knows nothing of HTTP or SageMaker."""

from jina_v3.encoder.engine import Encoder
from jina_v3.tokens.results import Embeddings

__all__ = ["Embeddings", "Encoder"]
