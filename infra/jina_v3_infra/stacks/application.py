"""The CDK application of one deployment. Making it asks no network, no account and no credentials.

A second region has the same stacks under the same names; to the CDK, whose ids must differ, they are
``NAME-foundation-REGION`` and so on, and that is how its command line picks them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aws_cdk import App, Aws, DefaultStackSynthesizer, Environment, Tags

from jina_v3_infra.config import Deployment, second_deployment
from jina_v3_infra.release import Release, plan_release
from jina_v3_infra.stacks.endpoint.stack import RealTimeStack
from jina_v3_infra.stacks.foundation import FoundationStack
from jina_v3_infra.stacks.tags import PROJECT, all_tags


def build_application(deployment: Deployment, *, release: Release | None = None, outdir: Path | None = None) -> App:
    """Return the application with the stacks that the deployment asks for; ``synth`` writes their templates.

    ``release`` is worked out from the sources and the model unless it is given.

    **Raises**: ``HubError`` and ``ArtifactError`` as ``plan_release`` does.
    """
    if release is None:
        release = plan_release(deployment)
    app = App(
        analytics_reporting=False,
        tree_metadata=False,
        outdir=None if outdir is None else str(outdir),
    )
    _add_stacks(app, deployment, release)
    second = second_deployment(deployment)
    if second is not None:
        _add_stacks(app, second, release, id_suffix=f"-{second.region}")
    for name, value in all_tags(deployment).items():
        Tags.of(app).add(name, value)
    return app


def _add_stacks(app: App, deployment: Deployment, release: Release, *, id_suffix: str = "") -> None:
    """Add the stacks of one region."""
    foundation = FoundationStack(
        app,
        f"{deployment.foundation_stack}{id_suffix}",
        stack_name=deployment.foundation_stack,
        deployment=deployment,
        **_stack(deployment, "bucket, key, repository and image build"),
    )
    if deployment.endpoint.enabled:
        endpoint = RealTimeStack(
            app,
            f"{deployment.endpoint_stack}{id_suffix}",
            stack_name=deployment.endpoint_stack,
            deployment=deployment,
            release=release,
            **_stack(deployment, "endpoint"),
        )
        endpoint.add_stack_dependency(foundation)
    if deployment.batch is not None:
        from jina_v3_infra.stacks.batch.stack import BatchStack  # half a second that most do without

        batch = BatchStack(
            app,
            f"{deployment.batch_stack}{id_suffix}",
            stack_name=deployment.batch_stack,
            deployment=deployment,
            settings=deployment.batch,
            release=release,
            **_stack(deployment, "batch transform"),
        )
        batch.add_stack_dependency(foundation)


def _stack(deployment: Deployment, content: str) -> dict[str, Any]:
    return {
        "description": f"{PROJECT} as {deployment.name}: {content}",
        "env": Environment(account=deployment.account or Aws.ACCOUNT_ID, region=deployment.region),
        # without the rule that looks into the account's bootstrap: nothing is looked up
        "synthesizer": DefaultStackSynthesizer(generate_bootstrap_version_rule=False),
    }
