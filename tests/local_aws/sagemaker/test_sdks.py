"""boto3 and SageMaker's own SDK, unchanged: they know of the local AWS by environment variables alone."""

import json
import os
import subprocess
import sys

import boto3
import pytest
from tests.support.sagemaker_bench import IMAGE, REGION, ROLE, Bench

_SDK = """
import json, sys
from sagemaker.core.resources import Endpoint, EndpointConfig, Model
from sagemaker.core.shapes import ContainerDefinition, ModelDataSource, ProductionVariant, S3ModelDataSource

image, role = sys.argv[1:]
source = S3ModelDataSource(s3_uri="s3://models/first/", s3_data_type="S3Prefix", compression_type="None")
container = ContainerDefinition(
    image=image, model_data_source=ModelDataSource(s3_data_source=source), environment={"TAG": "sdk"}
)
model = Model.create(model_name="sdk", primary_container=container, execution_role_arn=role)
variant = ProductionVariant(
    variant_name="main", model_name="sdk", instance_type="ml.g6.xlarge", initial_instance_count=1
)
config = EndpointConfig.create(endpoint_config_name="sdk", production_variants=[variant])
endpoint = Endpoint.create(endpoint_name="sdk", endpoint_config_name="sdk")
endpoint.wait_for_status("InService", poll=1, timeout=100)
result = endpoint.invoke(body=b'{"echo": "sdk"}', content_type="application/json")
said = {
    "answer": result.body.read().decode(),
    "variant": result.invoked_production_variant,
    "endpoints": [one.endpoint_name for one in Endpoint.get_all()],
    "image": Model.get(model_name="sdk").primary_container.image,
    "type": EndpointConfig.get(endpoint_config_name="sdk").production_variants[0].instance_type,
}
endpoint.delete()
endpoint.wait_for_delete(poll=1, timeout=100)
for resource in (config, model):
    resource.delete()
print("said " + json.dumps(said))
"""


def test_the_resource_classes_of_the_sdk_create_wait_invoke_and_delete(bench: Bench) -> None:
    # a process of its own: its import takes seconds, warns, and reads the environment once
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **bench.aws.environment(REGION)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _SDK, IMAGE, ROLE],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    _, _, said = done.stdout.rpartition("said ")  # after the bars of progress, which do not end their lines
    assert json.loads(said) == {
        "answer": '{"echo": "sdk"}',
        "variant": "main",
        "endpoints": ["sdk"],
        "image": IMAGE,
        "type": "ml.g6.xlarge",
    }


def test_boto3_s_waiters_wait_for_an_endpoint_to_come_and_to_go(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in bench.aws.environment(REGION).items():
        monkeypatch.setenv(name, value)
    sagemaker = boto3.session.Session().client("sagemaker")
    sagemaker.create_endpoint(EndpointName="waited", EndpointConfigName=bench.simple_config())
    often = {"Delay": 1, "MaxAttempts": 120}
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="waited", WaiterConfig=often)
    runtime = boto3.session.Session().client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName="waited", Body=b'{"echo": 1}')
    assert answer["Body"].read() == b'{"echo": 1}'
    sagemaker.delete_endpoint(EndpointName="waited")
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName="waited", WaiterConfig=often)
    assert "waited" not in str(sagemaker.list_endpoints())
