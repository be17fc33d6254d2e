"""A deployment is found by its name, from the outputs that the stacks really have."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from jina_v3_client._aws.access import Access
from jina_v3_client._aws.deployment import Deployment
from jina_v3_client.errors import AccessError, EndpointNotFoundError
from jina_v3_client.routing.targets import Endpoint
from jina_v3_infra.outputs import Output

REGION = "us-east-1"
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:texts-batch"


@pytest.fixture
def access() -> Iterator[Access]:
    with mock_aws():
        yield Access(region=REGION)


def _stand(access: Access, name: str, **outputs: str) -> None:
    """Make a stack with outputs; it needs a resource."""
    template = {
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {key: {"Value": value} for key, value in outputs.items()},
    }
    access.client("cloudformation").create_stack(StackName=name, TemplateBody=json.dumps(template))


def _stand_asynchronous(access: Access, name: str, outputs: str) -> None:
    sagemaker: Any = access.client("sagemaker")
    role = "arn:aws:iam::123456789012:role/execution"
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=role, PrimaryContainer={"Image": "i"})
    variant = {
        "VariantName": "main",
        "ModelName": name,
        "InstanceType": "ml.g4dn.xlarge",
        "InitialInstanceCount": 1,
        "InitialVariantWeight": 1.0,
    }
    sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[variant],
        AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": outputs}},
    )
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)


def test_everything_that_stands_is_found_by_the_outputs_of_the_stacks(access: Access) -> None:
    _stand(access, "texts-foundation", **{Output.BUCKET: "a-bucket", Output.KEY: "a-key"})
    _stand(access, "texts-endpoint", **{Output.ENDPOINT: "texts", Output.INFERENCE_COMPONENT: "texts-model"})
    _stand(access, "texts-batch", **{Output.STATE_MACHINE: MACHINE, Output.BATCH_MODEL: "texts-batch-model"})
    found = Deployment.find("texts", REGION, access)
    assert found == Deployment(
        name="texts",
        region=REGION,
        bucket="a-bucket",
        endpoint="texts",
        inference_component="texts-model",
        state_machine=MACHINE,
        batch_model="texts-batch-model",
    )
    assert found.target == Endpoint("texts", region=REGION, inference_component="texts-model")
    assert not found.is_asynchronous


@pytest.mark.parametrize("prefix", ["asynchronous/", ""])
def test_inputs_of_an_asynchronous_endpoint_lie_beside_its_outputs(access: Access, prefix: str) -> None:
    _stand(access, "texts-foundation", **{Output.BUCKET: "a-bucket"})
    _stand(access, "texts-endpoint", **{Output.ENDPOINT: "texts", Output.SUCCESS_TOPIC: "arn"})
    _stand_asynchronous(access, "texts", f"s3://a-bucket/{prefix}outputs/")
    found = Deployment.find("texts", access=access)
    assert found.is_asynchronous
    assert found.input_prefix == f"s3://a-bucket/{prefix}inputs/"


def test_a_deployment_may_have_no_endpoint(access: Access) -> None:
    _stand(access, "texts-foundation", **{Output.BUCKET: "a-bucket"})
    found = Deployment.find("texts", REGION, access)
    assert (found.bucket, found.endpoint, found.state_machine) == ("a-bucket", None, None)
    with pytest.raises(EndpointNotFoundError, match=r"'texts' in us-east-1 has no endpoint; deploy one$"):
        _ = found.target
    _stand(access, "texts-batch", **{Output.STATE_MACHINE: "arn"})
    found = Deployment.find("texts", REGION, access)
    with pytest.raises(EndpointNotFoundError, match=r"; deploy one; BatchClient\.from_deployment\('texts'\) embeds"):
        _ = found.target


def test_a_name_that_nothing_has_is_told_with_the_region(access: Access) -> None:
    with pytest.raises(EndpointNotFoundError, match="no deployment 'text' in us-east-1: none of the stacks text-found"):
        Deployment.find("text", REGION, access)


def test_no_credentials_are_no_access(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(AccessError, match=r"no AWS credentials were found.*us-east-1/texts"):
        Deployment.find("texts", REGION)
