"""Models and endpoint configurations: what is taken, what is refused and in which words, what is described."""

import json
from contextlib import suppress
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.support.sagemaker_bench import IMAGE, ROLE, Bench, variant

from local_aws.errors import ServiceError
from local_aws.sagemaker.constraints import check
from local_aws.sagemaker.control import OPERATIONS
from local_aws.settings import ACCOUNT
from local_aws.shapes import compile_pattern, input_shape


def refused(call: Any, **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        call(**request)
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


def container(**changes: Any) -> dict[str, Any]:
    source = {"S3DataSource": {"S3Uri": "s3://models/first/", "S3DataType": "S3Prefix", "CompressionType": "None"}}
    return {key: value for key, value in {"Image": IMAGE, "ModelDataSource": source, **changes}.items() if value}


def test_a_model_is_described_as_it_was_created_and_without_what_is_absent(bench: Bench) -> None:
    given = container(Environment={"A": "b"}, ContainerHostname=None)
    made = bench.sagemaker.create_model(
        ModelName="Described",
        ExecutionRoleArn=ROLE,
        PrimaryContainer={**given, "ImageConfig": {"RepositoryAccessMode": "Platform"}},
        EnableNetworkIsolation=True,
        Tags=[{"Key": "team", "Value": "search"}],
    )
    arn = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:model/described"
    assert made["ModelArn"] == arn
    described = bench.sagemaker.describe_model(ModelName="Described")
    described.pop("ResponseMetadata")
    described.pop("CreationTime")
    assert described == {
        "ModelName": "Described",
        "ModelArn": arn,
        "ExecutionRoleArn": ROLE,
        "EnableNetworkIsolation": True,
        "PrimaryContainer": {**given, "ImageConfig": {"RepositoryAccessMode": "Platform"}},
    }
    assert bench.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "search"}]
    tags = bench.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "cost", "Value": ""}])["Tags"]
    assert {tag["Key"] for tag in tags} == {"team", "cost"}
    bench.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["team"])
    assert bench.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "cost", "Value": ""}]
    bench.sagemaker.delete_model(ModelName="Described")
    assert "Could not find resource" in refused(bench.sagemaker.list_tags, ResourceArn=arn)[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ModelName": "-no"}, "1 validation error detected: Value '-no' at 'modelName' failed to satisfy constraint: "
         "Member must satisfy regular expression pattern:"),
        ({"ExecutionRoleArn": "arn:aws:iam::12:role/x"}, "at 'executionRoleArn' failed to satisfy constraint: Member"),
        ({"ExecutionRoleArn": "arn:aws:iam::999999999999:role/x"}, "Cross-account pass role is not allowed"),
        ({"PrimaryContainer": container(Image="nowhere:1")}, "Requested image nowhere:1 not found."),
        ({"PrimaryContainer": container(Environment={"1x": "y"})}, "Member must satisfy regular expression pattern"),
        ({"PrimaryContainer": container(Environment={f"A{n}": "x" * 1000 for n in range(40)})}, "at most 32768"),
        ({"PrimaryContainer": container(ModelDataUrl="s3://models/first/weights")}, "can not be given together"),
        ({"PrimaryContainer": container(ModelDataSource=None, ModelDataUrl="s3://models/absent.tar.gz")},
         "Could not find model data at s3://models/absent.tar.gz."),
        ({"PrimaryContainer": container(Mode="MultiModel")}, "does not model the mode MultiModel"),
        ({"PrimaryContainer": None, "Containers": [container(), container()]}, "a model of 2 containers"),
        ({"PrimaryContainer": container(Image=None)}, "You must provide an image"),
    ],
)  # fmt: skip
def test_a_model_that_can_not_be_is_refused(bench: Bench, changes: dict[str, Any], message: str) -> None:
    request = {"ModelName": "wrong", "ExecutionRoleArn": ROLE, "PrimaryContainer": container(), **changes}
    code, said = refused(bench.sagemaker.create_model, **{key: value for key, value in request.items() if value})
    assert code == "ValidationException"
    assert message in said


@pytest.mark.parametrize(
    ("uri", "kind", "compression", "message"),
    [
        ("s3://models/absent/", "S3Prefix", "None", "Could not find model data at s3://models/absent/."),
        ("s3://nobucket/first/", "S3Prefix", "None", "Could not find model data at s3://nobucket/first/."),
        ("s3://models/first", "S3Prefix", "None", "must end with a forward slash"),
        ("s3://models/first/", "S3Prefix", "Gzip", "CompressionType Gzip needs the S3DataType S3Object"),
        ("s3://models/first/w", "S3Object", "None", "Could not find model data at s3://models/first/w."),
    ],
)
def test_model_data_must_be_there(bench: Bench, uri: str, kind: str, compression: str, message: str) -> None:
    source = {"S3DataSource": {"S3Uri": uri, "S3DataType": kind, "CompressionType": compression}}
    wrong = container(ModelDataSource=source)
    code, said = refused(bench.sagemaker.create_model, ModelName="wrong", ExecutionRoleArn=ROLE, PrimaryContainer=wrong)
    assert code == "ValidationException"
    assert message in said


def test_what_is_not_there_can_not_be_found_and_what_is_there_not_created(bench: Bench) -> None:
    sagemaker = bench.sagemaker
    prefix = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}"
    model = f'Could not find model "{prefix}:model/ghost".'
    config = f'Could not find endpoint configuration "{prefix}:endpoint-config/ghost".'
    endpoint = f'Could not find endpoint "{prefix}:endpoint/ghost".'
    for call, request, message in (
        (sagemaker.describe_model, {"ModelName": "Ghost"}, model),
        (sagemaker.delete_model, {"ModelName": "Ghost"}, model),
        (sagemaker.describe_endpoint_config, {"EndpointConfigName": "Ghost"}, config),
        (sagemaker.delete_endpoint_config, {"EndpointConfigName": "Ghost"}, config),
        (sagemaker.create_endpoint, {"EndpointName": "e", "EndpointConfigName": "Ghost"}, config),
        (sagemaker.describe_endpoint, {"EndpointName": "Ghost"}, endpoint),
        (sagemaker.delete_endpoint, {"EndpointName": "Ghost"}, endpoint),
        (sagemaker.update_endpoint, {"EndpointName": "Ghost", "EndpointConfigName": "c"}, endpoint),
    ):
        assert refused(call, **request) == ("ValidationException", message)
    name = bench.create_model()
    again = refused(sagemaker.create_model, ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container())
    assert again[1] == f'Cannot create already existing model "{prefix}:model/{name}".'
    name = bench.create_config(variant(name))
    again = refused(
        sagemaker.create_endpoint_config,
        EndpointConfigName=name,
        ProductionVariants=[variant(bench.create_model())],
    )
    assert again[1] == f'Cannot create already existing endpoint configuration "{prefix}:endpoint-config/{name}".'


ASYNC = {"OutputConfig": {"S3OutputPath": "s3://models/out"}}
CAPTURE = {
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://models/captured",
    "CaptureOptions": [{"CaptureMode": "Input"}],
}


@pytest.mark.parametrize(
    ("changes", "more", "message"),
    [
        ({"InstanceType": "ml.g99.xlarge"}, {}, "Value 'ml.g99.xlarge' at 'productionVariants.1.member.instanceType' "
         "failed to satisfy constraint: Member must satisfy enum value set: ["),
        ({"ModelName": "ghost"}, {}, "Could not find model"),
        ({"InstanceType": None}, {}, "must have either an InstanceType or InstancePools"),
        ({"InitialInstanceCount": None}, {}, "must have an InitialInstanceCount"),
        ({"ContainerStartupHealthCheckTimeoutInSeconds": 5000}, {}, "must have value less than or equal to 3600"),
        ({}, {"KmsKeyId": "key"}, "instance type ml.g6.xlarge of ProductionVariant main has local storage"),
        ({}, {"AsyncInferenceConfig": ASYNC, "DataCaptureConfig": CAPTURE}, "DataCaptureConfig is not supported with"),
        ({}, {"AsyncInferenceConfig": {"OutputConfig": {"S3FailurePath": "s3://m/f"}}}, "S3OutputPath of"),
        ({"ModelName": None}, {}, "ExecutionRoleArn is required: ProductionVariant main names no model"),
        ({"ManagedInstanceScaling": {"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 2}}, {},
         "needs inference components"),
        ({"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1}}, {}, "does not model ServerlessConfig"),
    ],
)  # fmt: skip
def test_a_configuration_that_can_not_be_is_refused(
    bench: Bench, changes: dict[str, Any], more: dict[str, Any], message: str
) -> None:
    wrong = {**variant(bench.create_model()), **changes}
    wrong = {key: value for key, value in wrong.items() if value}
    code, said = refused(
        bench.sagemaker.create_endpoint_config, EndpointConfigName="wrong", ProductionVariants=[wrong], **more
    )
    assert code == "ValidationException"
    assert message in said


@pytest.mark.parametrize(
    ("instance_type", "allowed"),
    [("ml.c7i.xlarge", True), ("ml.m5.large", True), ("ml.p3.2xlarge", True), ("ml.m5d.large", False),
     ("ml.g4dn.xlarge", False), ("ml.g6e.xlarge", False), ("ml.p4d.24xlarge", False), ("ml.r7gd.large", False)],
)  # fmt: skip
def test_a_volume_key_is_for_machines_without_local_storage(bench: Bench, instance_type: str, allowed: bool) -> None:
    given = variant(bench.create_model(), InstanceType=instance_type)
    if allowed:
        bench.create_config(given, KmsKeyId="key")
    else:
        with pytest.raises(ClientError, match="local storage"):
            bench.create_config(given, KmsKeyId="key")


def test_inference_components_have_one_variant(bench: Bench) -> None:
    two = [variant(None, "a"), variant(None, "b")]
    with pytest.raises(ClientError, match="only one ProductionVariant"):
        bench.create_config(*two, ExecutionRoleArn=ROLE)
    with pytest.raises(ClientError, match="same VariantName"):
        bench.create_config(variant(bench.create_model()), variant(bench.create_model()))


def test_a_configuration_is_described_as_it_was_created(bench: Bench) -> None:
    given = variant(bench.create_model(), RoutingConfig={"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"})
    name = bench.create_config(given, DataCaptureConfig={**CAPTURE, "EnableCapture": True})
    described = bench.sagemaker.describe_endpoint_config(EndpointConfigName=name)
    assert described["ProductionVariants"] == [{**given, "InitialVariantWeight": 1.0}]
    assert described["DataCaptureConfig"] == {**CAPTURE, "EnableCapture": True}
    assert "AsyncInferenceConfig" not in described
    assert described["EnableNetworkIsolation"] is False


def test_lists_are_filtered_sorted_and_cut(bench: Bench) -> None:
    sagemaker = bench.connect("sagemaker", "eu-west-1")
    for name in ("b-model", "a-model", "c-other"):
        sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container())
    pages = sagemaker.get_paginator("list_models").paginate(
        NameContains="model", SortBy="Name", SortOrder="Ascending", PaginationConfig={"PageSize": 1}
    )
    pages = list(pages)
    assert [[row["ModelName"] for row in page["Models"]] for page in pages] == [["a-model"], ["b-model"]]
    newest = sagemaker.list_models()["Models"]
    assert [row["ModelName"] for row in newest] == ["c-other", "a-model", "b-model"]
    created = newest[1]["CreationTime"]
    assert len(sagemaker.list_models(CreationTimeBefore=created)["Models"]) == 1
    assert sagemaker.list_endpoints(StatusEquals="InService")["Endpoints"] == []
    assert refused(sagemaker.list_models, NextToken="x")[1] == "Invalid NextToken x"
    assert "a-model" not in str(bench.sagemaker.list_models(MaxResults=100)["Models"])  # of another region


def send(bench: Bench, operation: str, body: bytes) -> tuple[int, dict[str, Any]]:
    """Send what botocore's own validation would not let out."""
    from botocore.auth import SigV4Auth
    from botocore.credentials import Credentials
    from botocore.httpsession import URLLib3Session

    headers = {"X-Amz-Target": f"SageMaker.{operation}", "Content-Type": "application/x-amz-json-1.1"}
    request = AWSRequest("POST", f"{bench.aws.url}/", data=body, headers=headers)
    SigV4Auth(Credentials("testing", "testing"), "sagemaker", "us-east-1").add_auth(request)
    answer = URLLib3Session().send(request.prepare())
    return answer.status_code, json.loads(answer.content)


@pytest.mark.parametrize(
    ("operation", "body", "code", "message"),
    [
        ("CreateEndpoint", {}, "ValidationException", "2 validation errors detected: Value null at 'endpointName' "
         "failed to satisfy constraint: Member must not be null; Value null at 'endpointConfigName'"),
        ("CreateModel", {"ModelName": 3}, "SerializationException", "int at 'modelName' can not be converted"),
        ("CreateModel", {"ModelName": "m", "Colour": "red"}, "ValidationException", "has no member Colour"),
        ("CreateModel", {"ModelName": "m" * 64}, "ValidationException", "length less than or equal to 63"),
        ("CreateModel", {"ModelName": "m", "EnableNetworkIsolation": 1}, "SerializationException", "to a boolean"),
        ("CreateTrainingJob", {}, "NotImplemented", "the local AWS does not model SageMaker.CreateTrainingJob; it has"),
    ],
)  # fmt: skip
def test_requests_are_held_against_the_api_s_model(
    bench: Bench, operation: str, body: dict[str, Any], code: str, message: str
) -> None:
    status, said = send(bench, operation, json.dumps(body).encode())
    assert (status >= 400, said["__type"]) == (True, code)
    assert message in said["message"]


def test_a_body_that_is_no_json_is_refused(bench: Bench) -> None:
    assert send(bench, "CreateModel", b"{")[1]["__type"] == "SerializationException"


def test_reading_what_only_moto_knows_goes_on_to_it(bench: Bench) -> None:
    assert bench.sagemaker.list_training_jobs()["TrainingJobSummaries"] == []


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_every_operation_s_patterns_can_be_checked(operation: str) -> None:
    """A pattern that Python's engine does not take would pass unchecked."""

    def sample(shape: Any, depth: int = 0) -> Any:
        if shape.type_name == "string" and "pattern" in shape.metadata:
            assert compile_pattern(shape.metadata["pattern"]) is not None, shape.metadata["pattern"]
        if shape.type_name == "structure":
            return {} if depth > 6 else {name: sample(member, depth + 1) for name, member in shape.members.items()}
        if shape.type_name == "list":
            return [sample(shape.member, depth + 1)]
        if shape.type_name == "map":
            return {"key": sample(shape.value, depth + 1)}
        return {"string": "?", "boolean": True, "timestamp": 0}.get(shape.type_name, 1)

    shape = input_shape("sagemaker", operation)
    with suppress(ServiceError):
        check(operation, sample(shape))


def test_the_control_plane_wants_a_signature_too(bench: Bench) -> None:
    wrong = bench.connect("sagemaker", aws_secret_access_key="wrong")
    assert refused(wrong.list_models)[0] == "InvalidSignatureException"
    none = bench.connect("sagemaker", config=Config(signature_version=UNSIGNED))
    assert refused(none.list_models)[0] == "MissingAuthenticationTokenException"


def test_a_role_that_was_assumed_is_let_in(bench: Bench) -> None:
    role = bench.connect("sts").assume_role(RoleArn=ROLE, RoleSessionName="test")["Credentials"]
    keys = {"aws_access_key_id": role["AccessKeyId"], "aws_secret_access_key": role["SecretAccessKey"]}
    assumed = bench.connect("sagemaker", **keys, aws_session_token=role["SessionToken"])
    assumed.list_models()
    assert refused(bench.connect("sagemaker", **keys).list_models)[0] == "UnrecognizedClientException"


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        ({"kind": "throttle"}, "ThrottlingException", 400),
        ({"kind": "error"}, "ServiceUnavailable", 503),
        ({"kind": "error", "status": 500}, "InternalFailure", 500),
    ],
)
def test_faults_meet_the_control_plane(bench: Bench, fault: dict[str, Any], code: str, status: int) -> None:
    bench.aws.faults.add(**fault, operation="ListModels", count=1)
    with pytest.raises(ClientError) as error:
        bench.sagemaker.list_models()
    assert error.value.response["Error"]["Code"] == code
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    bench.sagemaker.list_models()
