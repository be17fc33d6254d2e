"""The deployment of the second region: the configuration once more, with what exists in that region only."""

from __future__ import annotations

from dataclasses import replace

from jina_v3_infra.config.schema import Deployment


def second_deployment(deployment: Deployment) -> Deployment | None:
    """Return what is deployed to the second region, ``None`` where the configuration has none.

    It has no router and no batch: the routers are made for both regions at the end, and batch stays in the first. Nor
    has it a budget: the first region's is the account's, and sees both.
    """
    router = deployment.router
    if router is None:
        return None
    return replace(
        deployment,
        region=router.second_region,
        image=replace(deployment.image, uri=router.image_uri),
        model=replace(
            deployment.model,
            source=router.model_source or deployment.model.source,
            kms_key=router.model_kms_key,
        ),
        endpoint=replace(deployment.endpoint, volume_kms_key=router.volume_kms_key),
        batch=None,
        operations=replace(deployment.operations, monthly_budget_usd=None),
        router=None,
    )
