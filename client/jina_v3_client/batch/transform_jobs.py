"""Runs as transform jobs alone, where no state machine stands: smaller, since nothing looks at the data first.

No shards, no second attempts of files, no limit of cost, no resuming. Every output is read beside its input when the
result is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from jina_v3.record_fields import RecordFields, read_name
from jina_v3_client.batch.aws_failures import code_of, explained
from jina_v3_client.batch.datasets import format_of, is_hidden
from jina_v3_client.batch.executions import describe_known
from jina_v3_client.batch.outputs import OutputFile, Outputs
from jina_v3_client.batch.places import VECTORS, Place, read_place
from jina_v3_client.batch.service import RunRequest
from jina_v3_client.batch.status import BatchStatus, State
from jina_v3_client.batch.store import Store, Stored
from jina_v3_client.errors import BatchError, ConfigurationError, EndpointNotFoundError

_MEBIBYTE: Final = 2**20
_PAYLOAD_MEBIBYTES: Final = 6
_CONCURRENT: Final = 8
_MAX_MEBIBYTES: Final = 100
"""``MaxPayloadInMB`` × ``MaxConcurrentTransforms`` at most. **Source**: CreateTransformJob."""
_INVOCATION_S: Final = 3600
_RETRIES: Final = 3
_MEDIA_TYPES: Final = {
    "jsonl": ("application/jsonlines", "application/jsonlines"),
    "csv": ("text/csv", "application/jsonlines"),
    "parquet": ("application/x-parquet", "application/x-parquet"),
}
_STATES: Final[dict[str, State]] = {
    "InProgress": "running",
    "Stopping": "running",
    "Completed": "succeeded",
    "Stopped": "stopped",
    "Failed": "failed",
}
_NAMES: Final = {"text_field": "JINA_V3_TEXT_FIELD", "id_field": "JINA_V3_ID_FIELD"}
_LISTED: Final = 10
_SUFFIX: Final = ".out"
_TAG: Final = {"Key": "jina-v3-client", "Value": "batch"}


class TransformJobs:
    """Transform jobs of one model."""

    most_record_bytes: int | None = _PAYLOAD_MEBIBYTES * _MEBIBYTE - 1024
    resumes = False

    def __init__(self, sagemaker: Any, store: Store, model: str, *, instance_type: str, bucket: str | None) -> None:
        self._sagemaker, self._store, self._model = sagemaker, store, model
        self._instance_type, self._bucket = instance_type, bucket

    def start(self, request: RunRequest) -> None:
        """Create a transform job of the run's name."""
        asked = self._request(request)
        with explained("sagemaker", self._model):
            try:
                self._sagemaker.create_transform_job(TransformJobName=request.name, Tags=[_TAG], **asked)
            except self._sagemaker.exceptions.ResourceInUse:
                found = self._describe(request.name)
                if _essence(found) != _essence(asked):
                    raise ConfigurationError(
                        f"a transform job named {request.name!r} is there already, which does something else",
                        advice="choose another name, or give none",
                    ) from None

    def status(self, name: str) -> BatchStatus:
        """Return how a job stands; how far it is, the service does not tell."""
        found = self._describe(name)
        return BatchStatus(
            **_read(found),
            phase="embedding" if _STATES[found["TransformJobStatus"]] == "running" else "ended",
            outcome="complete" if found["TransformJobStatus"] == "Completed" else None,
        )

    def latest(self, count: int) -> list[BatchStatus]:
        """Return the newest jobs, whoever made them."""
        with explained("sagemaker", self._model):
            found = self._sagemaker.list_transform_jobs(
                SortBy="CreationTime", SortOrder="Descending", MaxResults=count
            )["TransformJobSummaries"]
        return [BatchStatus(**_read(one)) for one in found]

    def stop(self, name: str) -> None:
        """Stop a job."""
        with explained("sagemaker", name):
            self._sagemaker.stop_transform_job(TransformJobName=name)

    def dataset(self, name: str) -> Place | None:
        """Return the place of a job's inputs."""
        return read_place(_source(self._describe(name)))

    def report(self, name: str) -> dict[str, Any]:
        """Return what the service tells of a job."""
        found = self._describe(name)
        error = found.get("FailureReason")
        return {
            "run": name,
            "outcome": "complete" if found["TransformJobStatus"] == "Completed" else "failed",
            "dataset": _source(found),
            "output": f"{found['TransformOutput']['S3OutputPath']}/",
            "error": {"name": found["TransformJobStatus"], "message": error} if error else None,
        }

    def outputs(self, name: str) -> Outputs:
        """Return a job's outputs, each with its input. **Raises**: ``BatchError`` where one is missing."""
        found = self._describe(name)
        place, output = read_place(_source(found)), read_place(found["TransformOutput"]["S3OutputPath"], "output")
        inputs, form, _ = self._list(place)
        environment: Mapping[str, str] = found.get("Environment", {})
        there = {one.key: one for one in self._store.list(output)}
        files, missing = [], []
        names = {one.key.removeprefix(place.prefix): one for one in inputs}
        parts = _kept_parts(place, names)
        for name_in, one in names.items():
            candidates = [f"{output.prefix}{part}{name_in}{_SUFFIX}" for part in parts]
            key = next((key for key in candidates if key in there), None)
            if key is None:
                missing.append(name_in)
            else:
                files.append(OutputFile(stored=there[key], file=name_in, source=one))
        if missing:
            raise BatchError(
                f"{len(missing)} of {len(inputs)} files have no output, such as {missing[0]}",
                run=name,
                advice="submit their folder again; the job's log in CloudWatch says why",
            )
        return Outputs(
            run=name,
            format=form,
            form=environment.get("JINA_V3_DEFAULT_EMBEDDING_TYPE", "float"),
            files=tuple(sorted(files, key=lambda one: one.order)),
            names=_names(environment),
        )

    def _request(self, request: RunRequest) -> dict[str, Any]:
        """Return a request with the parameters that serve most data.

        **Raises**: ``ConfigurationError`` for data that one job cannot take.
        """
        inputs, form, gzip = self._list(request.dataset)
        largest = max(one.bytes for one in inputs)
        payload = math.ceil((largest + 1024) / _MEBIBYTE) if form == "parquet" else _PAYLOAD_MEBIBYTES
        if payload > _MAX_MEBIBYTES:
            raise ConfigurationError(
                f"a Parquet file of {largest:,} bytes is more than one request may have, {_MAX_MEBIBYTES} MiB",
                advice="write smaller files",
            )
        if form == "csv" and {"text_field", "id_field"} & set(request.fields):
            raise ConfigurationError(
                "text_field and id_field of CSV need the state machine, which reads the names of columns beforehand",
                advice="deploy batch, or submit csv.DictReader(file)",
            )
        content_type, accept = _MEDIA_TYPES[form]
        split = "None" if form == "parquet" else "Line"
        return {
            "ModelName": self._model,
            "MaxConcurrentTransforms": max(1, min(_CONCURRENT, _MAX_MEBIBYTES // payload)),
            "MaxPayloadInMB": payload,
            **({} if form == "parquet" else {"BatchStrategy": "MultiRecord"}),
            "ModelClientConfig": {"InvocationsTimeoutInSeconds": _INVOCATION_S, "InvocationsMaxRetries": _RETRIES},
            "Environment": _environment(request.fields),
            "TransformInput": {
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": request.dataset.uri}},
                "ContentType": content_type,
                "CompressionType": "Gzip" if gzip else "None",
                "SplitType": split,
            },
            "TransformOutput": {
                "S3OutputPath": self._output(request).uri.rstrip("/"),
                "Accept": accept,
                "AssembleWith": split,
            },
            "TransformResources": {
                "InstanceType": self._instance_type,
                "InstanceCount": min(request.fields.get("instances", 1), len(inputs)),
            },
        }

    def _output(self, request: RunRequest) -> Place:
        if "output" in request.fields:
            return read_place(request.fields["output"], "output")
        return Place(self._bucket or request.dataset.bucket, f"{VECTORS}{request.name}/")

    def _list(self, place: Place) -> tuple[list[Stored], str, bool]:
        """Return a dataset's files, their format, and whether they are gzip'd.

        **Raises**: ``ConfigurationError`` where they differ, or are no data: the service takes all of a prefix.
        """
        files = list(self._store.list(place))
        names = [one.key.removeprefix(place.prefix) for one in files]
        formats = {format_of(name) for name in names}
        odd = next((name for name in names if is_hidden(name) or format_of(name) is None), None)
        packed = {name.endswith(".gz") for name in names}
        if odd is None and len(formats) == len(packed) == 1:
            (form,) = formats
            return files, str(form), packed == {True}
        found = "no files" if not files else f"{odd}, which is no data" if odd else "files of several formats"
        raise ConfigurationError(
            f"{place.uri} has {found}; a transform job without the state machine takes all files below a place, which "
            "must have one format, and be gzip'd all or none",
            advice="move what differs to a place of its own, or deploy batch",
        )

    def _describe(self, name: str) -> Mapping[str, Any]:
        from botocore.exceptions import ClientError

        with explained("sagemaker", name):
            try:
                found: Mapping[str, Any] = self._sagemaker.describe_transform_job(TransformJobName=name)
            except ClientError as error:
                if "could not find" not in str(error).lower() and code_of(error) != "ResourceNotFound":
                    raise
                raise EndpointNotFoundError(
                    f"there is no transform job {name!r}; {describe_known(self.latest(_LISTED))}", target=self._model
                ) from None
        return found


def _environment(fields: Mapping[str, Any]) -> dict[str, str]:
    names = {
        "dimensions": "JINA_V3_DEFAULT_DIMENSIONS",
        "embedding_type": "JINA_V3_DEFAULT_EMBEDDING_TYPE",
    }
    environment = {variable: str(fields[name]) for name, variable in names.items() if name in fields}
    if "task" in fields:
        environment["JINA_V3_DEFAULT_TASK"] = fields["task"] or "none"
    for field, variable in _NAMES.items():
        if field in fields:  # as a cell of CSV
            environment[variable] = '"' + fields[field].replace('"', '""') + '"'
    return environment


def _names(environment: Mapping[str, str]) -> RecordFields:
    """Return where a job's records have their texts and ids."""
    text, record_id = (read_name(environment[one]) if one in environment else None for one in _NAMES.values())
    return RecordFields(text, record_id)


def _kept_parts(place: Place, names: Iterable[str]) -> list[str]:
    """Return which parts of the prefix an output's name may keep: AWS's documents do not agree on how much.

    A part that also begins a file's name is left out: the output of one file would be taken for another's.
    """
    folders = place.prefix.rstrip("/").split("/") if place.prefix else []
    parts = ["/".join(folders[at:]) + "/" for at in range(len(folders) - 1, -1, -1)]
    parts.append(place.uri.removeprefix("s3://"))
    begun = {part for name in names for part in parts if name.startswith(part)}
    return ["", *(part for part in parts if part not in begun)]


def _essence(job: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what makes a job what it is, of a request or of a description, which has more."""
    output = job["TransformOutput"]["S3OutputPath"]
    return job["ModelName"], job.get("Environment", {}), _source(job), output


def _source(found: Mapping[str, Any]) -> str:
    return str(found["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"])


def _read(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": found["TransformJobName"],
        "state": _STATES[found["TransformJobStatus"]],
        "started": found["CreationTime"],
        "ended": found.get("TransformEndTime"),
        "reason": found.get("FailureReason", ""),
    }
