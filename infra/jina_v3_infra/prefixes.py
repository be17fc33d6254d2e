"""Where callers' data is in the artifact bucket: stacks allow it, commands print it. Knows nothing of the CDK."""

from __future__ import annotations

from jina_v3_infra.config import AsynchronousSettings


def folder(prefix: str) -> str:
    """Return a prefix with one slash at its end, so that it is no beginning of other names."""
    return f"{prefix.rstrip('/')}/"


def asynchronous_prefixes(settings: AsynchronousSettings) -> tuple[str, str, str]:
    """Return where the inputs, outputs and failures of asynchronous calls are."""
    prefix = folder(settings.output_prefix)
    return f"{prefix}inputs/", f"{prefix}outputs/", f"{prefix}failures/"
