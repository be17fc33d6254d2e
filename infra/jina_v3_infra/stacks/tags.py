"""The tags of everything that a deployment makes: the stacks' resources, and the jobs that runs start."""

from __future__ import annotations

from typing import Final

from jina_v3_infra.config import Deployment

PROJECT: Final = "jina-embeddings-v3"


def all_tags(deployment: Deployment) -> dict[str, str]:
    """Return project and deployment, and the configuration's own."""
    return {"project": PROJECT, "deployment": deployment.name} | deployment.tags
