"""The configuration: reading it, overriding it, and a clear sentence for everything that cannot be."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from jina_v3 import contract
from jina_v3.config import _VARIABLES
from jina_v3_infra import prefixes, release
from jina_v3_infra.config import (
    AsynchronousSettings,
    BatchSettings,
    CaptureSettings,
    Deployment,
    DeploymentError,
    InferenceComponentSettings,
    ScalingSettings,
    VariantSettings,
    check_deployment,
    read_deployment,
    rules,
    transform_ami,
    variant_ami,
)
from jina_v3_infra.config.batch import EmbeddingType, TaskName
from jina_v3_infra.config.container_settings import NAMES, PREFIX
from jina_v3_infra.config.instances import endpoint_instance_types, instance_type, transform_instance_types
from jina_v3_infra.config.patterns import PATTERN_WORDS
from jina_v3_infra.throughput import tokens_per_s

EXAMPLES = sorted((Path(__file__).parents[2] / "infra/examples").iterdir())


def endpoint(**settings: Any) -> dict[str, Any]:
    return {"endpoint": settings}


def variant(**settings: Any) -> dict[str, Any]:
    return endpoint(variants=[settings])


def test_without_a_file_there_are_the_defaults() -> None:
    assert read_deployment() == Deployment()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_can_be(example: Path) -> None:
    assert read_deployment(example).name.startswith("jina-v3")


def test_the_examples_are_what_they_say() -> None:
    by_name = {path.stem: read_deployment(path) for path in EXAMPLES}
    assert by_name.keys() == {"asynchronous", "batch", "development", "production", "scale-to-zero", "two-regions"}
    assert by_name["development"].endpoint.variants[0].scaling == ScalingSettings(min=1, max=1)
    (main,) = by_name["production"].endpoint.variants
    assert (main.scaling.min, main.scaling.max, by_name["production"].network.vpc) == (2, 8, "create")
    assert by_name["production"].endpoint.capture == CaptureSettings(percent=10)
    idle = by_name["scale-to-zero"].endpoint
    assert idle.inference_component is not None
    assert (idle.inference_component.scaling.min, idle.variants[0].scaling.min) == (0, 0)
    assert by_name["asynchronous"].endpoint.asynchronous == AsynchronousSettings()
    alone = by_name["batch"]
    assert not alone.endpoint.enabled
    assert alone.batch is not None
    assert alone.batch.on_success_file
    assert [one.name for one in alone.batch.schedules] == ["nightly"]
    (sleeping,) = by_name["asynchronous"].endpoint.variants
    assert (sleeping.scaling.min, sleeping.scaling.max) == (0, 4)


def test_toml_and_yaml_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        'name = "mine"\ntags = {a = "b"}\n[[endpoint.variants]]\nname = "one"\n[endpoint.variants.scaling]\nmax = 3\n'
    )
    content = {"name": "mine", "tags": {"a": "b"}, "endpoint": {"variants": [{"name": "one", "scaling": {"max": 3}}]}}
    for name in ("a.yaml", "a.yml"):
        (tmp_path / name).write_text(yaml.safe_dump(content))
        assert read_deployment(tmp_path / name) == read_deployment(tmp_path / "a.toml")
    assert read_deployment(tmp_path / "a.toml").endpoint.variants[0].scaling.max == 3


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    for name in ("a.toml", "a.yaml"):
        (tmp_path / name).write_text("")
        assert read_deployment(tmp_path / name) == Deployment()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.toml", None, "cannot be read"),
        ("a.json", b"{}", r"must end in \.toml, \.yaml or \.yml"),
        ("a.toml", b"name = ", "is not TOML"),
        ("a.yaml", b"name: [", "is not YAML"),
        ("a.yaml", b"- a\n- b\n", "must hold a table of settings, not list"),
        ("a.toml", b"\xff\xfe", "cannot be read"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DeploymentError, match=words):
        read_deployment(tmp_path / name)


def test_overrides_reach_every_place() -> None:
    deployment = read_deployment(
        None,
        [
            "region=eu-west-1",
            "name = mine",
            "endpoint.variants.0.instance_type=ml.g5.xlarge",
            "endpoint.variants.0.scaling.max=4",
            "endpoint.variants.1.name=other",
            'endpoint.variants.1.instance_pool=["ml.g5.xlarge", "ml.g6e.xlarge"]',
            "endpoint.capture.percent=5",
            "tags.team=search = find",
            "model.archive=true",
        ],
    )
    first, second = deployment.endpoint.variants
    assert (deployment.region, deployment.name, deployment.model.archive) == ("eu-west-1", "mine", True)
    assert (first.instance_type, first.scaling.max) == ("ml.g5.xlarge", 4)
    assert (second.name, second.instance_pool) == ("other", ("ml.g5.xlarge", "ml.g6e.xlarge"))
    assert deployment.endpoint.capture == CaptureSettings(percent=5)
    assert deployment.tags == {"team": "search = find"}


def test_an_override_changes_one_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("endpoint: {variants: [{name: one, weight: 3}, {name: two}]}")
    first, second = read_deployment(tmp_path / "a.yaml", ["endpoint.variants.1.weight=2"]).endpoint.variants
    assert (first.name, first.weight, second.name, second.weight) == ("one", 3, "two", 2)


def test_a_text_of_digits_stays_a_text_where_one_is_wanted() -> None:
    assert read_deployment(None, ['account="123456789012"']).account == "123456789012"
    assert read_deployment(None, ["account=123456789012"]).account == "123456789012"


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("region", "must be place=value"),
        ("=value", "must be place=value"),
        (
            "endpoint.variants.5.name=x",
            r"there is no variant 5 in the file; it has one, endpoint\.variants\.0, and endpoint\.variants\.1\.name",
        ),
        ("endpoint.variants.name=x", "there is no variant name in the file; it has one"),
        ("name.first=x", "nothing below"),
    ],
)
def test_overrides_that_cannot_be(tmp_path: Path, override: str, words: str) -> None:
    (tmp_path / "a.yaml").write_text("name: mine\nendpoint: {variants: [{name: one}]}")
    with pytest.raises(DeploymentError, match=words):
        read_deployment(tmp_path / "a.yaml", [override])


def batch(**settings: Any) -> dict[str, Any]:
    return {"batch": settings}


NIGHTLY = {"name": "nightly", "expression": "rate(1 day)", "dataset": "news/"}


def schedule(**settings: Any) -> dict[str, Any]:
    return batch(schedules=[NIGHTLY | settings])


MODEL_KEY = "arn:aws:kms:us-east-1:123456789012:key/mine"
COMPONENT = {"scaling": {"min": 0, "max": 1}}
WRONG: list[tuple[dict[str, Any], str]] = [
    # shapes: what one field can be
    ({"colour": "red"}, "colour is not known; allowed are name, region"),
    ({"nmae": "x"}, "nmae is not known; did you mean name?"),
    (endpoint(variant=[]), "endpoint.variant is not known; did you mean variants?"),
    (
        variant(instancetype="x"),
        "endpoint.variants[0].instancetype is not known; did you mean instance_type?",
    ),
    (variant(scaling={"mni": 1}), "endpoint.variants[0].scaling.mni is not known; did you mean"),
    (endpoint(capture={"perc": 1}), "endpoint.capture.perc is not known; did you mean percent?"),
    ({"name": "a_b"}, "name = 'a_b': must be letters, digits and single hyphens"),
    ({"image": {"uri": "python:3"}}, "image.uri = 'python:3': must be registry/name:tag or registry/name@digest"),
    (endpoint(variants=3), "endpoint.variants = 3: must be a list of tables"),
    (variant(instance_pool="ml.g5.xlarge"), "instance_pool = 'ml.g5.xlarge': must be a list of texts"),
    (endpoint(update=1), "endpoint.update = 1: must be a table of settings"),
    ({"region": "Mars"}, "region = 'Mars': "),
    ({"account": "12"}, "account = '12': "),
    ({"image": {"torch": "cu12"}}, "image.torch = 'cu12': input should be 'cu128', 'cu130' or 'cpu'"),
    (endpoint(variants=[]), "endpoint.variants = []: "),
    (endpoint(variants=[{"name": f"v{number}"} for number in range(6)]), "at most 5"),
    (variant(instances=0), "endpoint.variants[0].instances = 0: input should be greater than or equal to 1"),
    (endpoint(startup_timeout_s=4000), "endpoint.startup_timeout_s = 4000: input should be less than or equal to 3600"),
    (endpoint(update={"canary_percent": 51}), "endpoint.update.canary_percent = 51: "),
    (endpoint(environment={"1x": "y"}), "endpoint.environment.1x"),
    (endpoint(capture={"prefix": "a*/"}), "endpoint.capture.prefix = 'a*/': "),
    ({"network": {"vpc": "mine"}}, "network.vpc = 'mine': "),
    ({"tags": {"owner": "R&D, search"}}, "tags.owner = 'R&D, search': must be letters, digits, spaces and"),
    ({"tags": {"owner": "two\nlines"}}, "must be letters, digits, spaces and"),
    ({"tags": {"R&D": "search"}}, "must be letters, digits, spaces and"),
    ({"tags": {"": "search"}}, "string should have at least 1 character"),
    ({"tags": {"a" * 129: "search"}}, "string should have at most 128 characters"),
    # rules: what holds between them
    ({"region": "us-north-7"}, "SageMaker is not there"),
    ({"tags": {"AWS:mine": "x"}}, "begins with aws:"),
    ({"model": {"source": "s3://bucket"}}, "an S3 source is a prefix that ends in a slash"),
    ({"model": {"source": "s3://bucket/*/"}}, "an S3 source is a prefix that ends in a slash"),
    ({"model": {"source": "s3:///models/"}}, "an S3 source is a prefix that ends in a slash"),
    ({"model": {"source": "s3://bucket/a/", "archive": True}}, "with an s3:// source set it to false"),
    ({"model": {"source": "s3://bucket/a/", "revision": "a" * 40}}, "belongs to a hub id"),
    ({"model": {"kms_key": MODEL_KEY}}, "model.kms_key belongs to an s3:// source"),
    (
        {"model": {"source": "s3://b/a/", "kms_key": "arn:aws:kms:us-east-1:123456789012:alias/mine"}},
        "must be a key's ARN, no alias",
    ),
    ({"image": {"uri": "docker.io/team/jina:1"}}, "SageMaker takes an image from ECR in the endpoint's region only"),
    ({"image": {"uri": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/jina:1"}}, "dkr.ecr.us-east-1.amazonaws.com"),
    (endpoint(variants=[{"name": "a"}, {"name": "a"}]), "'a' is the name of two of them"),
    (variant(weight=0), "no variant has a weight above 0"),
    (variant(scaling={"min": 3, "max": 2}), "min = 3 is more than max = 2; raise max or lower min"),
    (
        variant(scaling={"min": 0}),
        "min = 0 needs an [endpoint.asynchronous] or an [endpoint.inference_component] section",
    ),
    (endpoint(asynchronous={}, variants=[{"name": "a"}, {"name": "b"}]), "an asynchronous endpoint has one variant"),
    (
        endpoint(asynchronous={}, variants=[{"scaling": {"min": 0, "max": 2}, "instances": 3}]),
        "instances = 3 is outside of its scaling's min = 0 and max = 2",
    ),
    (
        endpoint(asynchronous={"success_topic": "arn:aws:sns:eu-west-1:123456789012:done"}),
        "success_topic = 'arn:aws:sns:eu-west-1:123456789012:done' is in eu-west-1",
    ),
    (
        endpoint(asynchronous={"failure_topic": "arn:aws:sns:us-east-1:123456789012:done.fifo"}),
        "the ARN of a standard topic",
    ),
    (endpoint(asynchronous={"topics_kms_key": MODEL_KEY}), "topics_kms_key belongs to topics that are given"),
    ({"operations": {"emails": ["search at example"]}}, "must be an e-mail address"),
    ({"operations": {"emails": ["a@b.de", "a@b.de"]}}, "operations.emails: a@b.de is there twice"),
    ({"operations": {"topics": ["arn:aws:sns:eu-west-1:123456789012:a"]}}, "alarms tell topics of their own region"),
    ({"operations": {"topics": ["alerts"]}}, "the ARN of a standard topic"),
    (endpoint(environment={"JINA_V3_MAX_BATCH_TOKEN": "9"}), "did you mean JINA_V3_MAX_BATCH_TOKENS?"),
    (batch(environment={"JINA_V3_VERBOSITY": "9"}), "batch.environment: the container knows no JINA_V3_VERBOSITY"),
    (schedule(expression="cron(0 3 * * * *)"), "one must be ?, as in cron(0 3 * * ? *)"),
    (schedule(expression="cron(0 3 ? * ? *)"), "one must be ?, as in cron(0 3 * * ? *)"),
    (schedule(expression="cron(0 24 * * ? *)"), "hours = '24' has 24; it goes from 0 to 23"),
    (schedule(expression="cron(0 3 ? * 0-5 *)"), "day of week = '0-5' has 0; it goes from 1 to 7"),
    (schedule(expression="at(2027-02-30T03:00:00)"), "there is no such day or time"),
    (
        {
            "operations": {"topics": ["arn:aws:sns:eu-north-1:123456789012:a"]},
            "router": {"second_region": "eu-west-1"},
        },
        "take one in us-east-1 or eu-west-1",
    ),
    (
        {"operations": {"metrics_every_s": 300, "alarms": {"longest_without_machine_min": 5}}},
        "would ring in between; set it to 10 or more",
    ),
    ({"operations": {"log_days": 100}}, "log_days = 100: CloudWatch Logs keeps logs for 1, 3, 5"),
    ({"operations": {"log_days": 100}}, "set it to 120"),
    ({"operations": {"metrics_every_s": 45}}, "metrics_every_s = 45: SageMaker publishes every 10, 30, 60"),
    ({"operations": {"monthly_budget_usd": 0}}, "monthly_budget_usd"),
    ({"operations": {"alarms": {"most_gpu_percent": 101}}}, "most_gpu_percent"),
    (
        {"operations": {"detailed_metrics": True}, **endpoint(asynchronous={})},
        "detailed_metrics and enhanced_metrics are of real-time endpoints",
    ),
    (variant(instances=5), "instances = 5 is outside of its scaling's min = 1 and max = 1"),
    (
        variant(instance_type="ml.g9.xlarge"),
        "'ml.g9.xlarge' is no instance type of SageMaker's endpoints; did you mean",
    ),
    (variant(instance_type="g5.xlarge"), "did you mean ml.g5.xlarge?"),
    (variant(instance_pool=["ml.nothing"]), "'ml.nothing' is no instance type"),
    (variant(instance_pool=["ml.g6.xlarge"]), "ml.g6.xlarge is there twice"),
    (
        variant(instance_type="ml.c7i.4xlarge"),
        "ml.c7i.4xlarge has no GPU, and image.torch = 'cu128' is the image for GPUs",
    ),
    (variant(instance_type="ml.c7g.xlarge"), "has an ARM processor"),
    (variant(instance_type="ml.p3.2xlarge"), "has a V100, which is too old"),
    ({"image": {"torch": "cpu"}}, "ml.g6.xlarge has a GPU, which image.torch = 'cpu' would not use"),
    (variant(ami="al2-ami-sagemaker-inference-gpu-2"), "has no driver for the image; leave it out"),
    (variant(ami=rules.AMI_DRIVER_550) | {"image": {"torch": "cu130"}}, "has driver 550, and image.torch = 'cu130'"),
    (endpoint(asynchronous={}, capture={}), "captures no data of asynchronous endpoints"),
    (endpoint(inference_component=COMPONENT, asynchronous={}), "an asynchronous endpoint hosts its model itself"),
    (endpoint(inference_component=COMPONENT, capture={}), "captures no data of inference components"),
    (endpoint(inference_component=COMPONENT, variants=[{"name": "a"}, {"name": "b"}]), "has one variant, here are 2"),
    (endpoint(inference_component={"scaling": {"min": 2, "max": 1}}), "min = 2 is more than max = 1"),
    (
        endpoint(inference_component={"scaling": {"max": 4}}),
        "max = 4 copies need a GPU each, and 1 x ml.g6.xlarge have 1",
    ),
    (
        endpoint(inference_component={"scale_out_after_s": 45}),
        "an alarm's period is 10, 30 or a multiple of 60 seconds",
    ),
    (
        endpoint(inference_component=COMPONENT, variants=[{"instance_pool": ["ml.g5.xlarge"]}]),
        "a component's needs are stated for one kind of machine",
    ),
    (endpoint(capture={"prefix": "models/x/"}), "is where publishing keeps its own files"),
    (endpoint(asynchronous={"output_prefix": "sources"}), "is where publishing keeps its own files"),
    (endpoint(asynchronous={"output_prefix": "capture"}), "output_prefix = 'capture' is where captured data expires"),
    (endpoint(asynchronous={"output_prefix": "capture/a/"}), "is where captured data expires (capture/)"),
    (endpoint(volume_kms_key="arn:aws:kms:us-east-1:1:key/a"), "ml.g6.xlarge has storage of its own"),
    ({"network": {"vpc": "vpc-1"}}, "needs subnets and security_groups of that VPC"),
    ({"network": {"subnets": ["subnet-1"]}}, "belong to a VPC that exists"),
    ({"network": {"vpc": "create", "security_groups": ["sg-1"]}}, "belong to a VPC that exists"),
    ({"network": {"vpc": "create", "cidr": "10.0.0.1/20"}}, "has host bits set; 10.42.0.0/20 is one"),
    ({"network": {"vpc": "create", "cidr": "10.0.0.0/28"}}, "must be a private block of /16 to /24"),
    ({"network": {"vpc": "create", "cidr": "8.8.0.0/20"}}, "must be a private block of /16 to /24"),
    (endpoint(environment={"SAGEMAKER_X": "y"}), "SAGEMAKER_X is SageMaker's own to set"),
    (endpoint(environment={"X": "é" * 600}), "X has more than 1024 bytes"),
    (endpoint(environment={f"X{n}": "y" * 1000 for n in range(40)}), "bytes in all, and SageMaker takes 32768"),
    (endpoint(asynchronous={"output_prefix": "batch/x"}), "is where batch transform keeps its files"),
    (endpoint(capture={"prefix": "batch/"}), "is where batch transform keeps its files"),
    (endpoint(enabled=False), "endpoint.enabled = false without a [batch] section leaves nothing to deploy"),
    # batch transform: shapes
    (batch(instance="x"), "batch.instance is not known; did you mean instances?"),
    (batch(instances=0), "batch.instances = 0: input should be greater than or equal to 1"),
    (batch(most_usd=0), "batch.most_usd = 0: input should be greater than 0"),
    (batch(attempts=11), "batch.attempts = 11: input should be less than or equal to 10"),
    (batch(datasets=["s3://bucket"]), "batch.datasets[0] = 's3://bucket': must be a bucket, or a folder in it"),
    (batch(datasets=["s3://bucket/a"]), "with a slash at the end and no wildcard"),
    (batch(results=["s3://bucket/*/"]), "batch.results[0] = 's3://bucket/*/': must be a bucket, or a folder in it"),
    (batch(datasets=["s3://bucket/${aws:username}/"]), "with a slash at the end and no wildcard"),
    (batch(archive="s3://bucket/models/mine/"), "must be an archive of the model in S3, such as"),
    (batch(kms_keys=["alias/mine"]), "must be a key's ARN, no alias"),
    (batch(environment={"1x": "y"}), "batch.environment.1x"),
    (batch(schedules=[{"name": "a", "expression": "rate(1 day)"}]), "batch.schedules[0].dataset must be given"),
    (schedule(expression="daily"), "batch.schedules[0].expression = 'daily': must be rate(), at(), or cron() with six"),
    (schedule(expression="cron(0 3 * * *)"), "must be rate(), at(), or cron() with six fields"),
    (schedule(dataset="news/*"), "must be a folder s3://bucket/documents/ with a slash at the end, or a name"),
    (schedule(dataset="s3://bucket/a"), "must be a folder s3://bucket/documents/ with a slash at the end, or a name"),
    (schedule(task="query"), "batch.schedules[0].task = 'query': input should be 'retrieval.query'"),
    (schedule(dimensions=2000), "batch.schedules[0].dimensions = 2000: input should be less than or equal to 1024"),
    # and rules
    (
        batch(instance_type="g6.xlarge"),
        "'g6.xlarge' is no instance type of SageMaker's transform jobs; did you",
    ),
    (batch(instance_type="ml.p4d.24xlarge"), "'ml.p4d.24xlarge' is no instance type of SageMaker's transform jobs"),
    (batch(instance_type="ml.c7i.4xlarge"), "batch: ml.c7i.4xlarge has no GPU, and image.torch = 'cu128'"),
    (batch(instance_type="ml.p3.2xlarge"), "batch: ml.p3.2xlarge has a V100, which is too old"),
    (
        {"image": {"torch": "cpu"}, **endpoint(enabled=False), **batch()},
        "batch: ml.g6.xlarge has a GPU, which image.torch = 'cpu' would not use",
    ),
    (
        {"image": {"torch": "cu130"}, **batch()},
        "the hosts of transform jobs have driver 535, which runs CUDA 12 and not 13; set image.torch to 'cu128'",
    ),
    (
        batch(ami="al2-ami-sagemaker-batch-gpu-470"),
        "ami = 'al2-ami-sagemaker-batch-gpu-470' has no driver",
    ),
    (
        {
            "image": {"torch": "cpu"},
            **endpoint(enabled=False),
            **batch(instance_type="ml.c7i.4xlarge", ami="al2-ami-sagemaker-batch-gpu-535"),
        },
        "is for machines with a GPU, and ml.c7i.4xlarge has none",
    ),
    ({"model": {"source": "s3://bucket/a/"}, **batch()}, "transform jobs take an archive and no S3 prefix; set batch"),
    (batch(archive="s3://bucket/a.tar.gz"), "belongs to a model.source in S3"),
    (batch(datasets=["s3://bucket/a/", "s3://bucket/a/"]), "batch.datasets: s3://bucket/a/ is there twice"),
    (
        batch(datasets=["s3://bucket/a/"], results=["s3://bucket/a/"]),
        "vectors would be read as data by the next run; take another folder",
    ),
    (batch(kms_keys=[MODEL_KEY]), "batch.kms_keys belong to places in datasets or results, and there are none"),
    ({"tags": {f"t{n}": "x" * 200 for n in range(20)}, **batch()}, "name fewer, or folders above them"),
    (batch(schedules=[NIGHTLY, NIGHTLY]), "batch.schedules: 'nightly' is the name of two of them"),
    (schedule(dataset="s3://bucket/a/"), "dataset = 's3://bucket/a/' may not be read; add it, or a folder above it"),
    (schedule(output="s3://bucket/a/"), "output = 's3://bucket/a/' may not be written; add it, or a folder above it"),
    (schedule(timezone="Europe/Belrin"), "timezone = 'Europe/Belrin' is no time zone; did you mean Europe/Berlin?"),
    (batch(environment={"SAGEMAKER_BATCH": "false"}), "batch.environment: SAGEMAKER_BATCH is SageMaker's own to set"),
    (batch(environment={"X": "é" * 600}), "batch.environment: X has more than 1024 bytes"),
    (batch(environment={"JINA_V3_TEXT_FIELD": "body"}), "JINA_V3_TEXT_FIELD is for each run to say, as text_field and"),
    (schedule(text_field=""), "batch.schedules[0].text_field = ''"),
]


@pytest.mark.parametrize(("content", "words"), WRONG, ids=[words[:60] for _, words in WRONG])
def test_what_cannot_be_is_told_in_one_sentence(content: dict[str, Any], words: str) -> None:
    with pytest.raises(DeploymentError) as error:
        check_deployment(content, "my.toml")
    message = str(error.value)
    assert words in message
    assert message.startswith("my.toml: ")
    assert "\n" not in message
    assert "pydantic" not in message


def patterns(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from (value for key, value in schema.items() if key == "pattern" and isinstance(value, str))
        yield from schema.get("patternProperties", ())
    for item in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from patterns(item)


def test_every_pattern_has_words_with_an_example_that_it_allows() -> None:
    found = set(patterns(TypeAdapter(Deployment).json_schema()))
    assert found == PATTERN_WORDS.keys()
    for pattern, words in PATTERN_WORDS.items():
        for theirs, ours in ((r"\p{L}", r"\w"), (r"\p{Z}", r"\s"), (r"\p{N}", r"\d")):  # pydantic's are Rust's
            pattern = pattern.replace(theirs, ours)
        assert re.search(pattern, words.rpartition(" ")[2]), words


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(DeploymentError) as error:
        check_deployment({"region": "us-north-7", **variant(weight=0, scaling={"min": 2}, instance_type="ml.t3.tiny")})
    first, *others = str(error.value).splitlines()
    assert first == "the configuration has 4 mistakes:"
    assert len(others) == 4
    assert all(line.startswith("  - ") for line in others)


def test_what_looks_wrong_and_is_not() -> None:
    for content in (
        {"tags": {"équipe 検索": "", "cost-centre": "a_b.c:d/e=f+g-h@i ü"}},
        endpoint(asynchronous={}, variants=[{"scaling": {"min": 3, "max": 3}}]),
        endpoint(asynchronous={}, variants=[{"scaling": {"min": 0, "max": 1}}]),
        endpoint(asynchronous={}, variants=[{"scaling": {"min": 0, "max": 8}, "instances": 2}]),
        {"operations": {"emails": ["a@b.de"], "log_days": 365, "monthly_budget_usd": 0.5, "metrics_every_s": 10}},
        {"model": {"source": "s3://bucket/a/", "kms_key": MODEL_KEY}},
        endpoint(asynchronous={"output_prefix": "captured"}),
        {"image": {"torch": "cpu"}, **variant(instance_type="ml.c7i.4xlarge")},
        {"image": {"uri": "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/jina@sha256:ab"}, "region": "cn-north-1"},
        endpoint(inference_component={"scaling": {"max": 4}}, variants=[{"instance_type": "ml.g6.12xlarge"}]),
        endpoint(inference_component={"scale_out_after_s": 300}),
        {"network": {"vpc": "vpc-1", "subnets": ["subnet-1"], "security_groups": ["sg-1"]}},
        batch(),
        {"image": {"torch": "cpu"}, **endpoint(enabled=False), **batch(instance_type="ml.c7i.4xlarge")},
        {"model": {"source": "s3://bucket/a/"}, **batch(archive="s3://bucket/a.tar.gz")},
        batch(datasets=["s3://bucket/"], results=["s3://bucket/vectors/"], kms_keys=[MODEL_KEY]),
        batch(datasets=["s3://bucket/a/"], schedules=[NIGHTLY | {"dataset": "s3://bucket/a/b/"}]),
        schedule(expression="at(2027-01-31T03:00:00)", timezone="America/New_York"),
        schedule(expression="cron(0/15 3 ? * MON-FRI *)", dataset="a/b"),
    ):
        assert isinstance(check_deployment(content), Deployment)


def test_an_endpoint_starts_with_one_machine_at_least() -> None:
    assert VariantSettings(scaling=ScalingSettings(min=0, max=3)).initial_instances == 1
    assert VariantSettings(scaling=ScalingSettings(min=2, max=3)).initial_instances == 2
    assert VariantSettings(scaling=ScalingSettings(min=2, max=3), instances=3).initial_instances == 3


def test_the_host_image_is_named_for_machines_with_a_gpu() -> None:
    assert variant_ami(VariantSettings()) == rules.AMI_DRIVER_580
    assert variant_ami(VariantSettings(ami=rules.AMI_DRIVER_550)) == rules.AMI_DRIVER_550
    assert variant_ami(VariantSettings(instance_type="ml.c7i.xlarge")) is None


def test_every_machine_that_sagemaker_has_is_understood() -> None:
    found = [instance_type(name) for name in endpoint_instance_types()]
    assert {machine.name for machine in found if machine.gpu} >= {"ml.g5.xlarge", "ml.g6.xlarge", "ml.p5.48xlarge"}
    assert all((machine.gpus > 0) == (machine.gpu is not None) for machine in found)
    assert instance_type("ml.g5.12xlarge").gpus == 4
    assert not instance_type("ml.c7i.xlarge").local_storage
    assert instance_type("ml.g6.xlarge").local_storage
    arm = {machine.family for machine in found if machine.arm}
    assert {"ml.c6g", "ml.c7g", "ml.m6gd", "ml.r7gd"} <= arm
    assert arm.isdisjoint({"ml.g4dn", "ml.g5", "ml.g6", "ml.c5d", "ml.m5", "ml.r5d", "ml.p4d"})


def test_batch_alone_is_enough() -> None:
    deployment = check_deployment(batch())
    assert deployment.batch == BatchSettings()
    assert deployment.packs_archive
    assert not Deployment().packs_archive
    assert not check_deployment(
        {"model": {"source": "s3://bucket/a/"}, **batch(archive="s3://bucket/a.tar.gz")}
    ).packs_archive
    assert deployment.stacks == ("jina-v3-foundation", "jina-v3-endpoint", "jina-v3-batch")
    assert check_deployment(endpoint(enabled=False) | batch()).stacks == ("jina-v3-foundation", "jina-v3-batch")


def test_every_machine_that_transform_jobs_can_have_is_understood() -> None:
    names = transform_instance_types()
    assert set(names) <= set(endpoint_instance_types())
    with_gpu = {instance_type(name).family for name in names if instance_type(name).gpu}
    assert with_gpu == {"ml.g4dn", "ml.g5", "ml.g6", "ml.g6e", "ml.p2", "ml.p3"}
    for name in names:
        speed = tokens_per_s(instance_type(name))
        assert speed is not None
        assert speed > 0
        settings = BatchSettings(instance_type=name)
        assert (transform_ami(settings) is None) == (instance_type(name).gpu is None)


def test_what_the_configuration_says_of_tasks_and_forms_is_the_contract() -> None:
    assert set(get_args(TaskName)) == set(contract.TASKS)
    assert get_args(EmbeddingType) == contract.EMBEDDING_TYPES


def test_the_container_s_settings_are_those_that_it_knows() -> None:
    assert {name for name in _VARIABLES if name.startswith(PREFIX)} == NAMES


def test_what_publishing_fills_is_known_to_the_rules() -> None:
    assert tuple(f"{prefix}/" for prefix in rules._PUBLISHED) == release.OWN_PREFIXES
    for prefix in (prefixes.BATCH_DATASETS, prefixes.BATCH_RUNS, prefixes.BATCH_VECTORS):
        assert prefix.partition("/")[0] == rules._BATCH


def test_numbers_are_texts_where_texts_are_wanted() -> None:
    deployment = check_deployment({"tags": {"cost": 42}, "endpoint": {"environment": {"JINA_V3_MAX_TEXTS": 8}}})
    assert deployment.tags == {"cost": "42"}
    assert deployment.endpoint.environment == {"JINA_V3_MAX_TEXTS": "8"}


def places(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the place of every field of plain data."""
    found = [at] if at else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, item in items:
        found += places(item, (*at, key))
    return found


WHOLE = dataclasses.asdict(
    check_deployment(
        {
            "tags": {"team": "search"},
            "endpoint": {
                "variants": [{"scaling": {"max": 2}, "instance_pool": ["ml.g5.xlarge"]}],
                "capture": {},
                "environment": {"JINA_V3_MAX_QUEUE_S": "9"},
            },
            "network": {"vpc": "create"},
            "batch": {
                "datasets": ["s3://bucket/a/"],
                "kms_keys": [MODEL_KEY],
                "environment": {"JINA_V3_MAX_QUEUE_S": "9"},
                "schedules": [NIGHTLY],
            },
        }
    )
)
COMPONENTS = WHOLE | {
    "endpoint": WHOLE["endpoint"]
    | {
        "inference_component": dataclasses.asdict(InferenceComponentSettings()),
        "variants": [dataclasses.asdict(VariantSettings())],
        "capture": None,
    }
}
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["s3://", "s3://b/", "ml.", "ml.x", "", "create", "10.0.0.0/20", "999.0.0.0/99", "vpc-1", "*", "ml."]
    ),
    st.lists(st.one_of(st.text(max_size=5), st.none(), st.integers()), max_size=3),
    st.dictionaries(st.text(max_size=5), st.one_of(st.text(max_size=5), st.integers()), max_size=3),
)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), whole=st.sampled_from([WHOLE, COMPONENTS]))
def test_whatever_one_field_becomes_it_validates_or_is_explained(data: st.DataObject, whole: dict[str, Any]) -> None:
    content = json.loads(json.dumps(whole))
    check_deployment(content)
    place = data.draw(st.sampled_from(places(content)))
    at = content
    for step in place[:-1]:
        at = at[step]
    if data.draw(st.booleans()):
        at[place[-1]] = data.draw(VALUES)
    elif isinstance(at, dict):
        at[data.draw(st.text(max_size=8))] = at.pop(place[-1])
    try:
        assert isinstance(check_deployment(content), Deployment)
    except DeploymentError:
        return


@settings(max_examples=100, deadline=None)
@example(place="²", value="", below="name")
@given(
    place=st.text(max_size=12),
    value=st.text(max_size=12),
    below=st.sampled_from(["", "name", "tags", "endpoint.variants.0"]),
)
def test_whatever_an_override_is_it_works_or_is_explained(place: str, value: str, below: str) -> None:
    try:
        read_deployment(None, [f"{below}.{place}={value}" if below else f"{place}={value}"])
    except DeploymentError:
        return


@pytest.mark.slow
@settings(max_examples=1000, deadline=None)
@given(data=st.data(), whole=st.sampled_from([WHOLE, COMPONENTS]))
def test_whatever_one_field_becomes_at_length(data: st.DataObject, whole: dict[str, Any]) -> None:
    test_whatever_one_field_becomes_it_validates_or_is_explained.hypothesis.inner_test(data, whole)


@pytest.mark.slow
@settings(max_examples=1000, deadline=None)
@given(place=st.text(max_size=12), value=st.text(max_size=12), below=st.sampled_from(["", "name", "tags"]))
def test_whatever_an_override_is_at_length(place: str, value: str, below: str) -> None:
    test_whatever_an_override_is_it_works_or_is_explained.hypothesis.inner_test(place, value, below)
