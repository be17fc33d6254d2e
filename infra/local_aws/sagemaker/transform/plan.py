"""How a transform job does its work: what the request says, what the container says of itself, and the defaults."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import urllib3

from local_aws.sagemaker.transform.processing import Processing
from local_aws.sagemaker.transform.records import MB

_MOST_IN_FLIGHT_MB: Final = 100
_ASK_LIMIT_S: Final = 60.0
_DEFAULTS: Final = {"MaxConcurrentTransforms": 1, "MaxPayloadInMB": 6, "BatchStrategy": "MULTI_RECORD"}
_STRATEGIES: Final = {"MultiRecord": "MULTI_RECORD", "SingleRecord": "SINGLE_RECORD"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The settings of one job, with nothing left out.

    **Units**: ``payload_mb`` 2**20 bytes, 0 for no limit; ``timeout_s`` seconds.
    """

    splits_lines: bool
    assembles_lines: bool
    unzips: bool
    strategy: str
    payload_mb: int
    concurrent: int
    timeout_s: float
    retries: int
    content_type: str | None
    accept: str | None
    processing: Processing

    @property
    def payload_bytes(self) -> int:
        """The most that a request's body may have."""
        return self.payload_mb * MB

    def __str__(self) -> str:
        """Return the first line of the data log."""
        return (
            f"MaxConcurrentTransforms={self.concurrent}, MaxPayloadInMB={self.payload_mb}, "
            f"BatchStrategy={self.strategy}"
        )


def given_parameters(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the three parameters that a request gives; no concurrency, and one of 0, is left to choose."""
    given = {
        "MaxConcurrentTransforms": definition.get("MaxConcurrentTransforms") or None,
        "MaxPayloadInMB": definition.get("MaxPayloadInMB"),
        "BatchStrategy": _STRATEGIES.get(definition.get("BatchStrategy", "")),
    }
    return {name: value for name, value in given.items() if value is not None}


def container_variables(definition: Mapping[str, Any]) -> dict[str, str]:
    """Return what a container in a transform job finds in its environment, beside what was deployed.

    **Source**: docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-batch-code.html
    """
    given = given_parameters(definition)
    names = {
        "MaxConcurrentTransforms": "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS",
        "MaxPayloadInMB": "SAGEMAKER_MAX_PAYLOAD_IN_MB",
        "BatchStrategy": "SAGEMAKER_BATCH_STRATEGY",
    }
    return {"SAGEMAKER_BATCH": "true", **{names[name]: str(value) for name, value in given.items()}}


def make_plan(definition: Mapping[str, Any], pool: urllib3.HTTPConnectionPool) -> Plan:
    """Make the plan of a job, asking its container for what the request leaves out."""
    given = given_parameters(definition)
    said = _ask_parameters(pool) if len(given) < len(_DEFAULTS) else {}
    parameters: dict[str, Any] = {**_DEFAULTS, **said, **given}
    concurrent, payload_mb = parameters["MaxConcurrentTransforms"], parameters["MaxPayloadInMB"]
    if "MaxConcurrentTransforms" not in given and payload_mb:
        concurrent = max(1, min(concurrent, _MOST_IN_FLIGHT_MB // payload_mb))
    source, output = definition["TransformInput"], definition["TransformOutput"]
    client = definition.get("ModelClientConfig", {})
    splits_lines = source.get("SplitType") == "Line"
    return Plan(
        splits_lines=splits_lines,
        assembles_lines=output.get("AssembleWith") == "Line",
        unzips=source.get("CompressionType") == "Gzip",
        strategy=parameters["BatchStrategy"],
        payload_mb=payload_mb,
        concurrent=concurrent,
        timeout_s=client.get("InvocationsTimeoutInSeconds", 600),
        retries=client.get("InvocationsMaxRetries", 3),
        content_type=source.get("ContentType"),
        accept=output.get("Accept"),
        processing=Processing(
            definition.get("DataProcessing", {}),
            content_type=source.get("ContentType", ""),
            accept=output.get("Accept", ""),
            lines=splits_lines,
        ),
    )


def _ask_parameters(pool: urllib3.HTTPConnectionPool) -> dict[str, Any]:
    """Return what ``/execution-parameters`` says; a container need not have it."""
    try:
        answer = pool.request("GET", "/execution-parameters", timeout=_ASK_LIMIT_S)
        said = json.loads(answer.data) if answer.status == 200 else {}
    except (urllib3.exceptions.HTTPError, ValueError):
        return {}
    if not isinstance(said, dict):
        return {}
    kinds = {name: type(value) for name, value in _DEFAULTS.items()}
    return {name: value for name, value in said.items() if type(value) is kinds.get(name)}
