"""Reading model folders: which layout they have, whether they are whole, and their weights in one common form."""

from jina_v3.encoder.checkpoint.folder import Checkpoint, open_checkpoint
from jina_v3.encoder.checkpoint.model_config import ModelConfig
from jina_v3.encoder.checkpoint.weights import EmbeddingWeights, LinearWeights, LowRank, NormWeights

__all__ = [
    "Checkpoint",
    "EmbeddingWeights",
    "LinearWeights",
    "LowRank",
    "ModelConfig",
    "NormWeights",
    "open_checkpoint",
]
