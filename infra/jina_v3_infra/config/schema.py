"""What a deployment is, as data: the one typed configuration from which stacks, publishing and checks are made.

A field's annotation has its bounds and its description; ``rules.py`` has what holds between fields. This module
reads no file, no environment and no AWS.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from jina_v3_infra.config.batch import BatchSettings
from jina_v3_infra.config.fields import (
    ARN,
    KEY_ARN,
    PREFIX,
    TAG,
    TOPIC_ARN,
    VARIABLE,
    Name,
    Setting,
    StartupSeconds,
    WaitSeconds,
)
from jina_v3_infra.config.instances import InstanceType, instance_type
from jina_v3_infra.config.operations import OperationsSettings
from jina_v3_infra.config.router import RouterSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """Which checkpoint is served, and from where it comes."""

    source: Annotated[
        str,
        Field(min_length=1, description="a hub id, a model folder, or an s3:// prefix that holds a whole artifact"),
    ] = "jinaai/jina-embeddings-v3"
    revision: Annotated[
        str | None,
        Field(pattern=r"^[0-9a-f]{40}$", description="the hub's commit; known repositories have a pinned one"),
    ] = None
    kms_key: Annotated[
        str | None,
        Field(
            pattern=KEY_ARN,
            description="of the objects under an s3:// source, unless S3's own keys (or aws/s3) encrypt them",
        ),
    ] = None
    archive: Annotated[
        bool, Field(description="publish model.tar.gz too; with [batch], which needs it, that is done anyway")
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSettings:
    """The container's image: built in the account, built here, or there already."""

    build: Annotated[
        Literal["codebuild", "docker"],
        Field(description="where the image is built: in the account, or by this machine's Docker"),
    ] = "codebuild"
    uri: Annotated[
        str | None,
        Field(pattern=r"^[^\s:]+(:\d+)?/[^\s]+[:@][^\s]+$", description="an image that exists; then none is built"),
    ] = None
    torch: Annotated[
        Literal["cu128", "cu130", "cpu"], Field(description="which torch the image has; docs/image.md has the table")
    ] = "cu128"
    base: Annotated[str | None, Field(description="another base image than the Dockerfile's, by digest")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingSettings:
    """How many instances a variant has, or how many copies an inference component has."""

    min: Annotated[
        int, Field(ge=0, le=1000, description="the fewest; 0 needs an asynchronous endpoint or an inference component")
    ] = 1
    max: Annotated[int, Field(ge=1, le=1000, description="the most; the same as min means no scaling")] = 1
    concurrency: Annotated[
        float,
        Field(gt=0, le=1000, description="requests in flight on each instance (or copy) that scaling aims at"),
    ] = 16.0
    backlog: Annotated[
        float,
        Field(gt=0, le=100_000, description="the same for an asynchronous endpoint: calls that wait or run, a machine"),
    ] = 20.0
    scale_out_cooldown_s: WaitSeconds = 30
    scale_in_cooldown_s: WaitSeconds = 300

    @property
    def scales(self) -> bool:
        """Say whether the count can change."""
        return self.max > self.min


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantSettings:
    """One production variant: a share of the traffic on machines of its own."""

    name: Name = "main"
    instance_type: Annotated[str, Field(description="the machine, ml.g6.xlarge for instance")] = "ml.g6.xlarge"
    instance_pool: Annotated[
        tuple[str, ...],
        Field(max_length=4, description="machines to take, in this order, when there is no capacity for instance_type"),
    ] = ()
    instances: Annotated[
        int | None, Field(ge=1, le=1000, description="at creation; the scaling's min if not given, and one at least")
    ] = None
    weight: Annotated[float, Field(ge=0, le=1e9, description="its share of the traffic, relative to the others'")] = 1.0
    scaling: ScalingSettings = field(default_factory=ScalingSettings)
    ami: Annotated[
        str | None,
        Field(description="InferenceAmiVersion; by default the newest whose driver the machine's GPU and torch fit"),
    ] = None

    @property
    def instance_types(self) -> tuple[InstanceType, ...]:
        """The machine and, after it, those of the pool."""
        return tuple(instance_type(name) for name in (self.instance_type, *self.instance_pool))

    @property
    def initial_instances(self) -> int:
        """How many instances it starts with: SageMaker creates no endpoint with none, and takes the last away later."""
        return max(self.scaling.min, 1) if self.instances is None else self.instances


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceComponentSettings:
    """The model as an inference component: copies that are placed on instances, down to none of either.

    ``scaling`` is of the copies; how many instances SageMaker may hold for them is the variant's scaling.
    """

    scaling: ScalingSettings = field(default_factory=lambda: ScalingSettings(min=0, max=1))
    memory_mb: Annotated[int, Field(ge=1024, le=10_000_000, description="host memory that is reserved for a copy")] = (
        6144
    )
    scale_out_after_s: Annotated[
        int, Field(ge=10, le=3600, description="in which a call that finds no copy has the first one started")
    ] = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class AsynchronousSettings:
    """Calls through S3: input and output are objects, and a call may wait."""

    output_prefix: Annotated[
        str, Field(pattern=PREFIX, description="in the artifact bucket: of inputs, outputs and failures")
    ] = "asynchronous/"
    concurrency: Annotated[int, Field(ge=1, le=1000, description="calls in flight on each instance")] = 8
    success_topic: Annotated[
        str | None, Field(pattern=TOPIC_ARN, description="who is told of each output; one is made unless it is given")
    ] = None
    failure_topic: Annotated[
        str | None, Field(pattern=TOPIC_ARN, description="who is told of each failure; one is made unless it is given")
    ] = None
    topics_kms_key: Annotated[
        str | None, Field(pattern=KEY_ARN, description="of topics that are given, where a key encrypts them")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureSettings:
    """Data capture: what callers send and get is kept in the artifact bucket."""

    percent: Annotated[int, Field(ge=1, le=100, description="how many of a hundred calls are kept")] = 100
    prefix: Annotated[str, Field(pattern=PREFIX, description="in the artifact bucket")] = "capture/"
    keep_days: Annotated[
        int,
        Field(
            ge=1,
            le=3650,
            description="after which what was kept is deleted, for good two or three days later: S3 looks once a day",
        ),
    ] = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateSettings:
    """How a change reaches a running endpoint: a canary beside the old machines, and back if alarms ring."""

    canary_percent: Annotated[int, Field(ge=1, le=50, description="of the new machines, which take traffic first")] = 10
    canary_wait_s: WaitSeconds = 300
    termination_wait_s: Annotated[WaitSeconds, Field(description="before the old machines go")] = 120
    most_5xx_percent: Annotated[
        float, Field(gt=0, le=100, description="of a minute's calls; more rings the alarm and rolls back")
    ] = 1.0
    most_latency_ms: Annotated[
        float,
        Field(
            gt=0,
            le=60_000,
            description="of the model, as a minute's p99; more rings the alarm; not of asynchronous calls",
        ),
    ] = 10_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSettings:
    """The real-time (or asynchronous) endpoint."""

    enabled: Annotated[bool, Field(description="make it; false leaves batch transform alone")] = True
    name: Annotated[str | None, Field(pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$")] = None
    # each has two alarms, and SageMaker rolls back on ten at most
    variants: Annotated[tuple[VariantSettings, ...], Field(min_length=1, max_length=5)] = (VariantSettings(),)
    inference_component: Annotated[
        InferenceComponentSettings | None,
        Field(description="host the model as an inference component, which can scale to zero"),
    ] = None
    asynchronous: AsynchronousSettings | None = None
    capture: CaptureSettings | None = None
    update: UpdateSettings = field(default_factory=UpdateSettings)
    startup_timeout_s: Annotated[StartupSeconds, Field(description="from the container's start to /ping's 200")] = 600
    download_timeout_s: Annotated[StartupSeconds, Field(description="for the model's way from S3")] = 1200
    volume_kms_key: Annotated[
        str | None,
        Field(pattern=ARN, description="for the storage volume of machines without storage of their own"),
    ] = None
    environment: Annotated[
        dict[Annotated[str, Field(pattern=VARIABLE)], Setting],
        Field(max_length=90, description="the container's settings; docs/contract.md lists those of JINA_V3_"),
    ] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """Whether the endpoint's machines are in a VPC: a new one without a way out, or one that exists."""

    vpc: Annotated[
        str | None,
        Field(pattern=r"^(create|vpc-[0-9a-f]+)$", description='"create", or the id of one that exists'),
    ] = None
    subnets: Annotated[tuple[Annotated[str, Field(pattern=r"^subnet-[0-9a-f]+$")], ...], Field(max_length=16)] = ()
    security_groups: Annotated[tuple[Annotated[str, Field(pattern=r"^sg-[0-9a-f]+$")], ...], Field(max_length=5)] = ()
    cidr: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+\.\d+/\d+$", description="of a new VPC")] = "10.42.0.0/20"
    zones: Annotated[int, Field(ge=2, le=6, description="availability zones of a new VPC")] = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One deployment of the model in one region of one account."""

    name: Annotated[Name, Field(description="begins the names of the stacks, and is the endpoint's name")] = "jina-v3"
    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")] = "us-east-1"
    account: Annotated[
        Annotated[str, Field(pattern=r"^\d{12}$", coerce_numbers_to_str=True)] | None,
        Field(description="refuse to deploy into another; by default the caller's"),
    ] = None
    tags: Annotated[
        dict[
            Annotated[str, Field(min_length=1, max_length=128, pattern=TAG)],
            Annotated[str, Field(max_length=256, pattern=TAG, coerce_numbers_to_str=True)],
        ],
        Field(max_length=40, description="of all resources: letters, digits, spaces and _ . : / = + - @"),
    ] = field(default_factory=dict)
    model: ModelSettings = field(default_factory=ModelSettings)
    image: ImageSettings = field(default_factory=ImageSettings)
    endpoint: EndpointSettings = field(default_factory=EndpointSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    batch: Annotated[
        BatchSettings | None, Field(description="embed datasets in S3: a state machine over transform jobs")
    ] = None
    operations: OperationsSettings = field(default_factory=OperationsSettings)
    router: Annotated[
        RouterSettings | None, Field(description="a second region, and one name in front of both endpoints")
    ] = None

    @property
    def endpoint_name(self) -> str:
        """The name that callers use."""
        return self.endpoint.name or self.name

    @property
    def router_name(self) -> str:
        """The name of the inference routers, one in each region."""
        return (self.router and self.router.name) or self.endpoint_name

    @property
    def packs_archive(self) -> bool:
        """Whether publishing makes model.tar.gz: where it is asked for, and where batch transform needs one."""
        return self.model.archive or (self.batch is not None and not self.model.source.startswith("s3://"))

    @property
    def stacks(self) -> tuple[str, ...]:
        """The names of the stacks that the configuration asks for, in the order of their deployment."""
        return (
            self.foundation_stack,
            *([self.endpoint_stack] if self.endpoint.enabled else []),
            *([self.batch_stack] if self.batch is not None else []),
        )

    @property
    def foundation_stack(self) -> str:
        """The name of the stack with bucket, repository and build."""
        return f"{self.name}-foundation"

    @property
    def endpoint_stack(self) -> str:
        """The name of the stack with the endpoint."""
        return f"{self.name}-endpoint"

    @property
    def batch_stack(self) -> str:
        """The name of the stack with the state machine."""
        return f"{self.name}-batch"
