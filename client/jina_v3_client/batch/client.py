"""Whole datasets: submitted, and found again by their runs' names."""

from __future__ import annotations

import math
import re
import secrets
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from os import PathLike
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from jina_v3.contract import MODEL_DIMENSIONS
from jina_v3.record_fields import RecordFields, check_name
from jina_v3_client._aws.access import Access
from jina_v3_client._aws.deployment import Deployment
from jina_v3_client.batch.datasets import prepared, upload
from jina_v3_client.batch.executions import Executions
from jina_v3_client.batch.places import Place, read_place
from jina_v3_client.batch.run import BatchRun
from jina_v3_client.batch.service import RunRequest, RunService
from jina_v3_client.batch.sizes import VectorSize
from jina_v3_client.batch.status import BatchStatus
from jina_v3_client.batch.store import Store
from jina_v3_client.batch.table_sharding import is_table
from jina_v3_client.batch.transform_jobs import TransformJobs
from jina_v3_client.errors import BatchError, ConfigurationError, EndpointNotFoundError
from jina_v3_client.parameters import UNSET, Parameters, Unset, VectorForm
from jina_v3_client.protocols import AnyTask, Progress

if TYPE_CHECKING:
    import boto3

BatchForm = VectorForm | Literal["base64"]
"""``float`` and ``base64`` both come back as float32; they differ in how the outputs in S3 look, and in their size."""

Data = str | PathLike[str] | Iterable[Any] | Any
"""An ``s3://`` place, a file or folder, texts, records, or a data frame."""

DataFormat = Literal["auto", "jsonl", "csv", "parquet"]

_MACHINE: Final = re.compile(r"arn:aws[a-z-]*:states:(?P<region>[a-z0-9-]+):\d{12}:stateMachine:[^:]+")
_NAME: Final = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_NAME_CHARACTERS: Final = 40
INSTANCE_TYPE: Final = "ml.g6.xlarge"


class BatchClient:
    """Embeds datasets by a deployment's state machine, or by transform jobs of a ``model`` where there is none.

    A state machine (its ARN) needs the deployment's ``bucket``. Jobs of a model alone are a smaller service: nothing
    looks at the data first, no file is tried again, and runs cannot be resumed; ``bucket`` is then where data of this
    machine is put, and ``instance_type`` the machines. Safe to be used from many threads.

    **Raises**: ``ConfigurationError``.

    >>> BatchClient()
    Traceback (most recent call last):
    jina_v3_client.errors.ConfigurationError: neither a state machine nor a model is given; give state_machine and bucket, as a deployment's outputs name them, or model
    """  # noqa: E501  # the message is one line

    def __init__(
        self,
        *,
        state_machine: str | None = None,
        bucket: str | None = None,
        model: str | None = None,
        instance_type: str = INSTANCE_TYPE,
        region: str | None = None,
        profile: str | None = None,
        session: boto3.Session | None = None,
        access: Access | None = None,
    ) -> None:
        if state_machine is None and model is None:
            raise ConfigurationError(
                "neither a state machine nor a model is given",
                advice="give state_machine and bucket, as a deployment's outputs name them, or model",
            )
        if state_machine is not None:
            found = _MACHINE.fullmatch(state_machine)
            if found is None:
                raise ConfigurationError(
                    f"state_machine is {state_machine!r}; it must be an ARN, "
                    "arn:aws:states:REGION:ACCOUNT:stateMachine:NAME"
                )
            if bucket is None:
                raise ConfigurationError("state_machine is given without the bucket that its runs write to")
            region = region or found["region"]
        self._machine, self._bucket, self._model, self._instance_type = state_machine, bucket, model, instance_type
        self._region, self._access = region, access or Access(session, profile, region)
        self._service_and_store: tuple[RunService, Store] | None = None
        self._lock = threading.Lock()

    @classmethod
    def from_deployment(
        cls,
        name: str,
        *,
        region: str | None = None,
        profile: str | None = None,
        session: boto3.Session | None = None,
        access: Access | None = None,
    ) -> BatchClient:
        """Return the client of a deployment's batch, by the name in its configuration.

        **Raises**: ``EndpointNotFoundError`` where there is no such deployment, or it has no batch; ``AccessError``.

        >>> batch = BatchClient.from_deployment("texts", region="eu-west-1")  # doctest: +SKIP
        """
        access = access or Access(session, profile, region)
        found = Deployment.find(name, region, access)
        if found.state_machine is None or found.bucket is None:
            raise EndpointNotFoundError(
                f"the deployment {name!r} in {found.region} has no batch",
                advice="add a [batch] section to its configuration and deploy it",
            )
        return cls(state_machine=found.state_machine, bucket=found.bucket, region=found.region, access=access)

    def submit(
        self,
        data: Data = None,
        *,
        task: AnyTask = UNSET,
        dimensions: int | Unset = UNSET,
        embedding_type: BatchForm | Unset = UNSET,
        normalized: bool = True,
        truncate: bool = False,
        name: str | None = None,
        output: str | None = None,
        format: DataFormat = "auto",
        instances: int | None = None,
        max_usd: float | None = None,
        dry_run: bool = False,
        resume: str | None = None,
        text_field: str | None = None,
        id_field: str | None = None,
        allow_missing_text: bool = False,
        progress: Progress | None = None,
    ) -> BatchRun:
        """Start a run over data, and return it at once.

        ``data`` is an ``s3://`` place (used where it is), a file or folder of this machine (JSON lines, CSV, Parquet,
        ``.gz``), an iterable of texts or of records (dicts with ``text`` and, if you like, ``id`` and fields of your
        own, which come back unless they are named as an answer's), or a data frame or table with a column ``text``.
        What is not in S3 is written to files on disk, in bounded memory, and uploaded once: the same data is found
        again by its digest. Texts and records without an ``id`` are given their place, from 0.

        ``text_field`` and ``id_field`` name the fields, or columns, that have texts and ids, where these are not
        ``text`` and ``id``. CSV may begin with the names of its columns, of which one is ``text`` or is named so.
        ``allow_missing_text``: a dataset of which most records have no text is not refused.

        ``task``, ``dimensions`` and ``embedding_type`` hold for records that do not say their own; what is not given is
        the deployment's. Vectors of texts and records travel as base64 where ``float`` is asked for. ``normalized`` and
        ``truncate`` are for texts and records only.

        ``name`` is the run's: submitting the same under the same name again is the same run. ``max_usd`` refuses a run
        that is estimated to cost more, ``dry_run`` only plans it, ``resume`` names an earlier run of which only what is
        outstanding is embedded; ``data`` may then be left out.

        **Raises**: ``InvalidInputError`` (with the ``index`` of the record at fault), ``ConfigurationError``,
        ``AccessError``. What the run's own preflight refuses, ``BatchRun.wait`` raises.

        >>> from jina_v3_client.testing import InMemoryBatchClient
        >>> batch = InMemoryBatchClient()
        >>> texts = (f"text {number}" for number in range(1000))
        >>> run = batch.submit(texts, task="retrieval.passage", embedding_type="int8")
        >>> batch.submit([{"id": "a", "text": "sunrise", "city": "Ulm"}, {"text": 5}])
        Traceback (most recent call last):
        jina_v3_client.errors.InvalidInputError: record 1 has no text; records are a text, or a dict with "text"; "text" may be a list with late_chunking
        """  # noqa: E501  # the message is one line
        service, _ = self._connect()
        fields = _read_fields(task, dimensions, embedding_type, output, format, instances, max_usd, dry_run, resume)
        names = _read_names(text_field, id_field)
        fields |= {key: value for key, value in (("text_field", names.text), ("id_field", names.id)) if value}
        if allow_missing_text:
            fields["allow_missing_text"] = True
        self._check(service, fields, name)
        own = {**({} if normalized else {"normalized": False}), **({"truncate": True} if truncate else {})}
        if data is None:
            place = self._resumed(service, resume)
        elif isinstance(data, str) and data.startswith("s3://"):
            place = read_place(data)
        else:
            place = self._bring(service, data, fields, own, names, progress)
        request = RunRequest(name=name or name_run(place), dataset=place, fields=fields)
        service.start(request)
        return self.run(request.name)

    def run(self, name: str) -> BatchRun:
        """Return a run by its name, whoever started it; nothing is asked of AWS before something is asked of it.

        >>> from jina_v3_client.testing import InMemoryBatchClient
        >>> InMemoryBatchClient().run("docs-1")
        <BatchRun docs-1>
        """
        return BatchRun(name, *self._connect())

    def runs(self, count: int = 20) -> list[BatchStatus]:
        """Return the newest runs, as far as a listing knows them. **Raises**: ``AccessError``.

        >>> from jina_v3_client.testing import InMemoryBatchClient
        >>> batch = InMemoryBatchClient()
        >>> for name in ("docs-1", "docs-2"):
        ...     run = batch.submit(["sunrise"], name=name)
        >>> [status.name for status in batch.runs()]
        ['docs-2', 'docs-1']
        """
        return self._connect()[0].latest(count)

    def _bring(
        self,
        service: RunService,
        data: Data,
        fields: dict[str, Any],
        own: dict[str, Any],
        names: RecordFields,
        progress: Progress | None,
    ) -> Place:
        """Bring data of this machine into S3, and choose the form that its vectors travel in."""
        if self._bucket is None:
            raise ConfigurationError(
                "data of this machine needs a bucket to be put into",
                advice="give the client a bucket, or an s3:// place",
            )
        is_file = isinstance(data, str | PathLike)
        is_ours = not is_file and not is_table(data)
        if is_ours and "resume" not in fields and fields.get("embedding_type", "float") == "float":
            fields["embedding_type"] = "base64"
        size = VectorSize(fields.get("embedding_type", "float"), fields.get("dimensions", MODEL_DIMENSIONS))
        any_name = fields.get("format", "auto") != "auto"
        local = prepared(
            data, size, own, names, any_name=any_name, most_bytes=service.most_record_bytes, heads=service.resumes
        )
        with local as found:
            return upload(self._connect()[1], self._bucket, found, progress)

    def _resumed(self, service: RunService, resume: str | None) -> Place:
        if resume is None:
            raise ConfigurationError("there is no data to embed", advice="give data, or the run to resume")
        place = service.dataset(resume)
        if place is None:
            raise BatchError(f"the run {resume} ended before it had a plan", run=resume, advice="submit its data anew")
        return place

    def _check(self, service: RunService, fields: dict[str, Any], name: str | None) -> None:
        if name is not None and not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"name is {name!r}; a run's name has up to 63 letters, digits and, between them, hyphens"
            )
        unknown = [one for one in ("resume", "dry_run", "max_usd", "format") if one in fields and not service.resumes]
        if unknown:
            raise ConfigurationError(
                f"{', '.join(unknown)}: a transform job without the state machine has no such thing",
                advice="deploy batch, and give the client its state machine",
            )
        resumed = fields.get("resume")
        if resumed is not None and service.resumes and service.status(resumed).is_running:
            raise ConfigurationError(
                f"the run {resumed} still goes on, and both would write to the same place",
                advice=f"wait for its end, or client.batch.run({resumed!r}).stop()",
            )

    def _connect(self) -> tuple[RunService, Store]:
        with self._lock:
            if self._service_and_store is None:
                self._service_and_store = self._open()
            return self._service_and_store

    def _open(self) -> tuple[RunService, Store]:
        store = Store(self._access.client("s3", self._region))
        if self._machine is not None and self._bucket is not None:
            states = self._access.client("stepfunctions", self._region)
            return Executions(states, store, self._machine, self._bucket), store
        sagemaker = self._access.client("sagemaker", self._region)
        model, machines = str(self._model), self._instance_type
        return TransformJobs(sagemaker, store, model, instance_type=machines, bucket=self._bucket), store


def _read_fields(
    task: AnyTask,
    dimensions: int | Unset,
    embedding_type: BatchForm | Unset,
    output: str | None,
    format: str,
    instances: int | None,
    max_usd: float | None,
    dry_run: bool,
    resume: str | None,
) -> dict[str, Any]:
    """Return what was given of a run's input. **Raises**: ``InvalidInputError``, ``ConfigurationError``."""
    form = "float" if embedding_type in (UNSET, "base64") else embedding_type
    checked = Parameters(
        task=None if isinstance(task, Unset) else task,
        dimensions=MODEL_DIMENSIONS if isinstance(dimensions, Unset) else dimensions,
        form=form,  # type: ignore[arg-type]  # base64 and UNSET are taken care of
    )
    if max_usd is not None and not 0 < max_usd < math.inf:
        raise ConfigurationError(f"max_usd is {max_usd}; it must be a number above 0")
    if instances is not None and instances < 1:
        raise ConfigurationError(f"instances is {instances}; it must be at least 1")
    if format not in get_args(DataFormat):
        raise ConfigurationError(f"format is {format!r}; it must be one of {', '.join(get_args(DataFormat))}")
    fields: dict[str, Any] = {}
    if task is not UNSET:
        fields["task"] = None if checked.task is None else str(checked.task)
    if dimensions is not UNSET:
        fields["dimensions"] = checked.dimensions
    if embedding_type is not UNSET:
        fields["embedding_type"] = embedding_type
    given = {"output": output, "instances": instances, "max_usd": max_usd, "resume": resume}
    fields |= {key: value for key, value in given.items() if value is not None}
    if format != "auto":
        fields["format"] = format
    if dry_run:
        fields["dry_run"] = True
    return fields


def _read_names(text_field: str | None, id_field: str | None) -> RecordFields:
    """Return where texts and ids are. **Raises**: ``ConfigurationError``."""
    for field, name in (("text_field", text_field), ("id_field", id_field)):
        try:
            if name is not None:
                check_name(name)
        except ValueError as allowed:
            raise ConfigurationError(f"{field} is {name!r}; it must be {allowed}") from None
    names = RecordFields(text_field, id_field)
    if (fault := names.fault()) is not None:
        raise ConfigurationError(f"text_field and id_field: {fault}")
    return names


def name_run(place: Place) -> str:
    """Return a new name for a run: the dataset's folder, the time, and some digits."""
    folder = re.sub(r"[^A-Za-z0-9]+", "-", place.uri.rstrip("/").rpartition("/")[2]).strip("-")[:_NAME_CHARACTERS]
    return f"{folder.strip('-') or 'run'}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
