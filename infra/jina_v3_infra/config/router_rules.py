"""The second region: what must hold between its settings and the rest of the deployment."""

from __future__ import annotations

from collections.abc import Iterator

from jina_v3_infra.config.schema import Deployment


def router_rules(deployment: Deployment) -> Iterator[str]:
    """Yield one sentence for each rule that the settings break."""
    if deployment.router is None:
        return
    yield from ()
