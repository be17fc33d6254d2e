"""Batch transform: which machines embed datasets in S3, what they may read and write, and who starts them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from jina_v3_infra.config.fields import ARCHIVE, DATASET, EXPRESSION, KEY_ARN, PLACE, TIMEZONE, VARIABLE, Name, Setting

EmbeddingType = Literal["float", "base64", "binary", "ubinary", "int8"]
TaskName = Literal["retrieval.query", "retrieval.passage", "separation", "classification", "text-matching"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchScheduleSettings:
    """A run that starts by the clock."""

    name: Name
    expression: Annotated[
        str,
        Field(pattern=EXPRESSION, description="rate(1 day), cron(0 3 * * ? *) or at(2027-01-31T03:00:00)"),
    ]
    timezone: Annotated[str, Field(pattern=TIMEZONE, description="in which cron() and at() are read")] = "UTC"
    dataset: Annotated[
        str,
        Field(
            pattern=DATASET,
            description="an s3:// place, or a folder's name under batch/datasets/ of the own bucket",
        ),
    ]
    output: Annotated[
        str | None,
        Field(pattern=PLACE, description="where the vectors go; batch/vectors/ of the own bucket if not given"),
    ] = None
    task: Annotated[TaskName | None, Field(description="of records that name none")] = None
    dimensions: Annotated[int | None, Field(ge=1, le=1024, description="of records that name none")] = None
    embedding_type: Annotated[EmbeddingType | None, Field(description="of records that name none")] = None
    text_field: Annotated[
        str | None, Field(min_length=1, max_length=256, description="the field, or column, that has the text")
    ] = None
    id_field: Annotated[
        str | None, Field(min_length=1, max_length=256, description="the field, or column, that has the id")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSettings:
    """Embedding whole datasets in S3: a state machine that accounts for every record."""

    instance_type: Annotated[str, Field(description="the machine of the transform jobs")] = "ml.g6.xlarge"
    instances: Annotated[int, Field(ge=1, le=100, description="the most machines of one transform job")] = 2
    jobs: Annotated[
        int, Field(ge=1, le=100, description="the most transform jobs at a time; the quota must allow jobs × instances")
    ] = 1
    ami: Annotated[
        str | None, Field(description="TransformAmiVersion; by default the one whose driver the image fits")
    ] = None
    attempts: Annotated[
        int,
        Field(ge=1, le=10, description="at each file, before it is given up and reported; lost machines count not"),
    ] = 3
    most_usd: Annotated[
        float | None, Field(gt=0, description="refuse a run whose machines are estimated to cost more, in US dollars")
    ] = None
    archive: Annotated[
        str | None,
        Field(
            pattern=ARCHIVE,
            description="the model.tar.gz of a model.source in S3; a model that is published is packed by itself",
        ),
    ] = None
    datasets: Annotated[
        tuple[Annotated[str, Field(pattern=PLACE)], ...],
        Field(max_length=20, description="s3:// places beside the own bucket that runs may read"),
    ] = ()
    results: Annotated[
        tuple[Annotated[str, Field(pattern=PLACE)], ...],
        Field(max_length=20, description="s3:// places beside the own bucket that runs may write vectors to"),
    ] = ()
    kms_keys: Annotated[
        tuple[Annotated[str, Field(pattern=KEY_ARN)], ...],
        Field(max_length=10, description="of the objects in datasets and results, where a key of one's own has them"),
    ] = ()
    on_success_file: Annotated[
        bool, Field(description="start a run when _SUCCESS arrives in a folder under batch/datasets/ of the own bucket")
    ] = False
    schedules: Annotated[tuple[BatchScheduleSettings, ...], Field(max_length=50)] = ()
    environment: Annotated[
        dict[Annotated[str, Field(pattern=VARIABLE)], Setting],
        Field(max_length=80, description="the container's settings; a run adds its own, and they win"),
    ] = field(default_factory=dict)
    keep_days: Annotated[
        int, Field(ge=1, le=3650, description="after which a run's working files, its report among them, are deleted")
    ] = 90
