"""An account in moto, the services that moto lacks, and a CDK that makes small stacks there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import moto.sagemaker.models as sagemaker_models
import pytest
from botocore.exceptions import ClientError
from botocore.validate import validate_parameters
from moto import mock_aws

from jina_v3_infra.deploy import command
from jina_v3_infra.deploy.account import Account, open_account
from jina_v3_infra.deploy.command import Tools

ACCOUNT = "123456789012"
REGION = "us-east-1"
SERVICES_MOTO_LACKS = ("service-quotas", "pricing")


def client_error(operation: str, code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


def answer_instead(client: Any, answer: Callable[[str, dict[str, Any]], dict[str, Any]]) -> Any:
    """Have a client answer from a function; what it answers must have the shape of botocore's model."""

    def call(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        model = client.meta.service_model.operation_model(operation)
        if model.input_shape is not None:
            validate_parameters(arguments, model.input_shape)
        response = answer(operation, arguments)
        validate_parameters(response, model.output_shape)
        return response

    client._make_api_call = call
    return client


def have_no_routers(client: Any) -> None:
    """Have SageMaker know no inference router, where moto does not know what one is."""
    real = client._make_api_call

    def call(operation: str, arguments: dict[str, Any]) -> Any:
        if operation == "DescribeInferenceRouter":
            raise client_error(operation, "ResourceNotFound")
        return real(operation, arguments)

    client._make_api_call = call


@dataclass
class Services:
    """What Service Quotas and the price list say."""

    quotas: dict[str, float] = field(default_factory=lambda: {"ml.g6.xlarge": 4.0})
    default_quotas: dict[str, float] = field(default_factory=dict)
    job_quotas: dict[str, float] = field(default_factory=lambda: {"ml.g6.xlarge": 4.0})
    prices: dict[str, float] = field(default_factory=lambda: {"ml.g6.xlarge": 1.25})
    job_prices: dict[str, float] = field(default_factory=lambda: {"ml.g6.xlarge": 1.5})
    failure: dict[str, ClientError] = field(default_factory=dict)

    def answer(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if operation in self.failure:
            raise self.failure[operation]
        if operation == "GetProducts":
            name = next(one["Value"] for one in arguments["Filters"] if one["Field"] == "instanceName")
            return {"PriceList": list(self._products(name))}
        own = operation == "ListServiceQuotas"
        known = {
            f"{name} for endpoint usage": count for name, count in (self.quotas if own else self.default_quotas).items()
        }
        if own:
            known |= {f"{name} for transform job usage": count for name, count in self.job_quotas.items()}
        return {
            "Quotas": [{"QuotaName": name, "QuotaCode": "L-TEST0001", "Value": count} for name, count in known.items()]
        }

    def _products(self, name: str) -> Iterator[str]:
        # the same machine for training comes first, dearer, and must not be taken
        usages = {"Train": {name: 99.0}, "Host": self.prices, "Tsform": self.job_prices}
        for usage, prices in usages.items():
            if name in prices and name in self.prices | self.job_prices:
                dimensions = {"x": {"unit": "Hrs", "pricePerUnit": {"USD": f"{prices[name]:.10f}"}}}
                terms = {"OnDemand": {"y": {"priceDimensions": dimensions}}}
                yield json.dumps({"product": {"attributes": {"usagetype": f"USE1-{usage}:{name}"}}, "terms": terms})


@dataclass
class FakeCdk:
    """Records what it is called with, and makes stacks in moto as far as the command looks at them."""

    account: Account
    name: str = "jina-v3"
    context: dict[str, str] = field(default_factory=dict)
    calls: list[tuple[str, ...]] = field(default_factory=list)
    synthesised: int = 0
    statuses: dict[str, int] = field(default_factory=dict)  # by stack: exit status
    on_call: Callable[[tuple[str, ...]], None] = lambda arguments: None

    def synthesise(self, out: Path) -> None:
        self.synthesised += 1
        out.mkdir(parents=True)
        (out / "manifest.json").write_text("{}")

    def call(self, *arguments: str) -> int:
        self.calls.append(arguments)
        self.on_call(arguments)
        stack = "CDKToolkit" if arguments[0] == "bootstrap" else arguments[1]
        if self.statuses.get(stack):
            return self.statuses[stack]
        template = {
            "CDKToolkit": TOOLKIT,
            f"{self.name}-foundation": FOUNDATION,
            f"{self.name}-endpoint": ENDPOINT,
            f"{self.name}-batch": BATCH,
        }
        make_stack(self.account, stack, template[stack])
        return 0


def make_stack(account: Account, name: str, template: dict[str, Any]) -> None:
    client = account.client("cloudformation")
    if name not in {one["StackName"] for one in client.describe_stacks()["Stacks"]}:
        client.create_stack(StackName=name, TemplateBody=json.dumps(template))


def make_endpoint(account: Account, name: str, **tags: str) -> None:
    """An endpoint that no stack of these tests has made."""
    client = account.client("sagemaker")
    role = f"arn:aws:iam::{ACCOUNT}:role/x"
    client.create_model(ModelName=f"{name}-m", ExecutionRoleArn=role, PrimaryContainer={"Image": "x:old"})
    variant = {**_VARIANT, "ModelName": f"{name}-m"}
    client.create_endpoint_config(EndpointConfigName=f"{name}-c", ProductionVariants=[variant])
    tagged = [{"Key": key, "Value": value} for key, value in tags.items()]
    client.create_endpoint(EndpointName=name, EndpointConfigName=f"{name}-c", Tags=tagged)


TOOLKIT = {
    "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
    "Outputs": {"BootstrapVersion": {"Value": "30"}},
}
FOUNDATION = {
    "Resources": {
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"VersioningConfiguration": {"Status": "Enabled"}}},
        "Repository": {"Type": "AWS::ECR::Repository", "Properties": {"RepositoryName": "jina-v3"}},
        "Key": {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": {}}},
    },
    "Outputs": {
        "ArtifactBucket": {"Value": {"Ref": "Bucket"}},
        "ArtifactKey": {"Value": {"Fn::GetAtt": ["Key", "Arn"]}},
        "RepositoryUri": {"Value": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/jina-v3"},
        "BuildProject": {"Value": "jina-v3-image"},
    },
}
_VARIANT = {
    "VariantName": "main",
    "ModelName": {"Fn::GetAtt": ["Model", "ModelName"]},
    "InitialInstanceCount": 1,
    "InstanceType": "ml.g6.xlarge",
    "InitialVariantWeight": 1,
}
ENDPOINT = {
    "Resources": {
        "Model": {
            "Type": "AWS::SageMaker::Model",
            "Properties": {
                "ExecutionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/x",
                "PrimaryContainer": {"Image": "x:old", "ModelDataUrl": "s3://bucket/models/old/"},
            },
        },
        "Config": {"Type": "AWS::SageMaker::EndpointConfig", "Properties": {"ProductionVariants": [_VARIANT]}},
        "Endpoint": {
            "Type": "AWS::SageMaker::Endpoint",
            "Properties": {
                "EndpointName": "jina-v3",
                "EndpointConfigName": {"Fn::GetAtt": ["Config", "EndpointConfigName"]},
            },
        },
        "Log": {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {"LogGroupName": "/aws/sagemaker/Endpoints/jina-v3"},
        },
    },
    "Outputs": {"EndpointName": {"Value": "jina-v3"}},
}


BATCH = {
    "Resources": {
        "Machine": {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {
                "StateMachineName": "jina-v3-batch",
                "DefinitionString": '{"StartAt": "Plan", "States": {"Plan": {"Type": "Succeed"}}}',
                "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/x",
            },
        },
    },
    "Outputs": {"StateMachineArn": {"Value": {"Ref": "Machine"}}},
}


@pytest.fixture
def services() -> Services:
    return Services()


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, services: Services) -> Iterator[Account]:
    """An empty account; the command gets this very one, and no request leaves the process."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    # moto knows machines of some years ago only, and gives endpoints names of its own
    monkeypatch.setattr(sagemaker_models.FakeEndpointConfig, "validate_instance_type", lambda *_: None)
    monkeypatch.setattr(sagemaker_models.FakeEndpoint, "cloudformation_name_type", staticmethod(lambda: "EndpointName"))
    # what moto does for the library requests, which nothing here uses: 1,300 patterns for each test
    monkeypatch.setattr("moto.core.models.RESPONSES_METHODS", [])
    with mock_aws():
        made = open_account(REGION)
        for service in SERVICES_MOTO_LACKS:
            answer_instead(made.client(service), services.answer)
        have_no_routers(made.client("sagemaker"))
        monkeypatch.setattr(command, "open_account", lambda region, profile: made)
        yield made


@pytest.fixture
def cdk(account: Account) -> FakeCdk:
    return FakeCdk(account)


@pytest.fixture
def published() -> list[str]:
    """The buckets that were published to."""
    return []


@pytest.fixture
def tools(cdk: FakeCdk, published: list[str]) -> Tools:
    def make_cdk(context: dict[str, str], region: str, caller: str | None, profile: str | None) -> FakeCdk:
        cdk.context = context
        assert (region, caller) == (REGION, ACCOUNT)
        return cdk

    def publish(deployment: Any, foundation: Any, session: boto3.Session) -> str:
        published.append(foundation.bucket)
        return "3.0 MB uploaded"

    return Tools(make_cdk=make_cdk, publish=publish, docker_runs=lambda: True)


@pytest.fixture
def run(account: Account, tools: Tools) -> Callable[..., int]:
    """The command, with everything but AWS's calls made up."""
    return lambda *arguments: command.run(list(arguments), tools)
