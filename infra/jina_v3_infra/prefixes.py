"""Where callers' data is in the artifact bucket: stacks allow it, commands print it. Knows nothing of the CDK."""

from __future__ import annotations

from typing import Final

from jina_v3_infra.config import AsynchronousSettings

BATCH_DATASETS: Final = "batch/datasets/"
"""What users put there to be embedded."""
BATCH_VECTORS: Final = "batch/vectors/"
"""Results of runs that name no other place, by run."""
BATCH_RUNS: Final = "batch/runs/"
"""What a run works with, and its report, by run."""


def split_place(place: str) -> tuple[str, str]:
    """Return the bucket and the prefix (or key) of an ``s3://`` place."""
    bucket, _, prefix = place.removeprefix("s3://").partition("/")
    return bucket, prefix


def folder(prefix: str) -> str:
    """Return a prefix with one slash at its end, so that it is no beginning of other names."""
    return f"{prefix.rstrip('/')}/"


def asynchronous_prefixes(settings: AsynchronousSettings) -> tuple[str, str, str]:
    """Return where the inputs, outputs and failures of asynchronous calls are."""
    prefix = folder(settings.output_prefix)
    return f"{prefix}inputs/", f"{prefix}outputs/", f"{prefix}failures/"
