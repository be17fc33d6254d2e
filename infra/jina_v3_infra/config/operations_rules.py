"""Alarms, dashboard and budget: what must hold between its settings and the rest of the deployment."""

from __future__ import annotations

from collections.abc import Iterator

from jina_v3_infra.config.schema import Deployment


def operations_rules(deployment: Deployment) -> Iterator[str]:
    """Yield one sentence for each rule that the settings break."""
    if deployment.operations is None:
        return
    yield from ()
