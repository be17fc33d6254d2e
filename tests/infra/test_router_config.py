"""The second region's settings: what cannot be, in one sentence each, and the deployment that it makes."""

from __future__ import annotations

from typing import Any

import pytest

from jina_v3_infra.config import DeploymentError, check_deployment, second_deployment

HERE, THERE = "us-east-1", "eu-west-1"
IMAGE = "123456789012.dkr.ecr.{}.amazonaws.com/jina:1"
KEY = "arn:aws:kms:{}:123456789012:key/mine"
S3_MODEL = {"source": "s3://here/jina/", "kms_key": KEY.format(HERE)}
CPU = {
    "image": {"torch": "cpu"},
    "endpoint": {"variants": [{"instance_type": "ml.c7i.4xlarge"}], "volume_kms_key": KEY.format(HERE)},
}


def router(**settings: Any) -> dict[str, Any]:
    return {"router": {"second_region": THERE, **settings}}


WRONG: list[tuple[dict[str, Any], str]] = [
    (router(second_region="Mars"), "router.second_region = 'Mars': must be the name of a region"),
    (router(second_region="us-north-7"), "router: second_region = 'us-north-7': SageMaker is not there"),
    (router(second_region=HERE), "second_region = 'us-east-1' is region itself"),
    (router(second_region="cn-north-1"), "is in the partition aws-cn, and region = 'us-east-1' in aws"),
    (router(name="two_regions"), "router.name = 'two_regions': must be letters, digits and hyphens"),
    (router(image_uri=IMAGE.format(THERE)), "goes with image.uri, which is not given"),
    (router() | {"image": {"uri": IMAGE.format(HERE)}}, "needs the image in its own ECR, such as"),
    (router(image_uri=IMAGE.format(HERE)) | {"image": {"uri": IMAGE.format(HERE)}}, "dkr.ecr.eu-west-1.amazonaws.com"),
    (router(image_uri="quay.io/a:1") | {"image": {"uri": IMAGE.format(HERE)}}, "push it there, or leave both out"),
    (router(model_source="s3://there/jina/"), "model_source = 's3://there/jina/' goes with an s3:// model.source"),
    (router(model_kms_key=KEY.format(THERE)), "goes with an s3:// model.source"),
    (router() | {"model": S3_MODEL}, "SageMaker takes a model from a bucket of the endpoint's region only"),
    (router(model_source=S3_MODEL["source"]) | {"model": S3_MODEL}, "copy s3://here/jina/ to a bucket in eu-west-1"),
    (router(model_source="s3://there/jina") | {"model": S3_MODEL}, "which ends in a slash"),
    (
        router(model_source="s3://there/jina/", model_kms_key=KEY.format(HERE)) | {"model": S3_MODEL},
        "is no key of eu-west-1",
    ),
    (router() | CPU, "a key is in one region; give one of each region, or none"),
    (router(volume_kms_key=KEY.format(THERE)), "a key is in one region; give one of each region, or none"),
    (router(volume_kms_key=KEY.format(HERE)) | CPU, "is no key of eu-west-1"),
    (
        router() | {"network": {"vpc": "vpc-1", "subnets": ["subnet-1"], "security_groups": ["sg-1"]}},
        "a VPC is in one region",
    ),
    (router() | {"endpoint": {"enabled": False}, "batch": {}}, "routers stand in front of endpoints"),
    (router() | {"endpoint": {"asynchronous": {}}}, "are lost with the region; remove one of the two sections"),
]


@pytest.mark.parametrize(("content", "words"), WRONG, ids=[words[:60] for _, words in WRONG])
def test_what_cannot_be_is_told_in_one_sentence(content: dict[str, Any], words: str) -> None:
    with pytest.raises(DeploymentError) as error:
        check_deployment(content, "my.toml")
    message = str(error.value)
    assert words in message
    assert "\n" not in message


def test_without_a_section_there_is_no_second_region() -> None:
    assert second_deployment(check_deployment({})) is None


def test_the_second_deployment_is_the_first_with_what_is_its_region_s() -> None:
    content = router(image_uri=IMAGE.format(THERE), model_source="s3://there/jina/", volume_kms_key=KEY.format(THERE))
    first = check_deployment(
        {**CPU, "image": {"torch": "cpu", "uri": IMAGE.format(HERE)}, "model": S3_MODEL, **content, "name": "mine"}
    )
    second = second_deployment(first)
    assert second is not None
    assert (second.region, second.image.uri) == (THERE, IMAGE.format(THERE))
    assert (second.model.source, second.model.kms_key) == ("s3://there/jina/", None)
    assert second.endpoint.volume_kms_key == KEY.format(THERE)
    assert (second.batch, second.router) == (None, None)
    assert (second.name, second.tags, second.network, second.operations) == (
        first.name,
        first.tags,
        first.network,
        first.operations,
    )
    assert second.endpoint.variants == first.endpoint.variants


def test_the_routers_are_called_like_the_endpoint_unless_they_have_a_name() -> None:
    assert check_deployment(router() | {"endpoint": {"name": "Search"}}).router_name == "Search"
    assert check_deployment(router(name="both")).router_name == "both"
