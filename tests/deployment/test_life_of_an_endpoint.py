"""The whole life of a deployment, by the command that users run and the real CDK, on the local AWS.

deploy → calls by boto3, the client and the command → a new machine and then a new model, while both go on calling →
destroy, nothing left.
"""

import json
import os
import shlex
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from demo.standin import StandInConfig, write_standin
from tests.support.client_command import check_all_is_well_but_the_width, jina_v3, succeed
from tests.support.inventory import Inventory

from jina_v3.contract import Task
from jina_v3.encoder import Encoder
from jina_v3_client import AccessError, EmbeddingClient, Endpoint, EndpointNotFoundError, InvalidInputError
from local_aws.server import LocalAws
from local_aws.settings import ACCESS_KEY, SECRET_KEY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

REGION = "us-east-1"
TEXTS = ["the sun rises over the harbour", "Boote kehren heim", "le port calme"]
CONFIG = """
name = "life"
region = "us-east-1"
tags = {{ team = "search" }}

[model]
source = "{model}"

[[endpoint.variants]]
instance_type = "ml.g6.xlarge"
scaling = {{ min = 2, max = 4 }}

[endpoint.environment]
JINA_V3_MAX_TEXTS = "64"
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("models")
    config = StandInConfig(layers=2, hidden=64, heads=4, intermediate=128, vocab=400)
    first = write_standin(folder / "first", TEXTS * 20, config)
    second = write_standin(folder / "second", [*TEXTS, "another text altogether"] * 20, config)
    return [first, second]


class Caller:
    """Calls without a pause, counts, and keeps what fails."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.call = call
        self.answered = 0
        self.errors: list[Exception] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._call)

    def __enter__(self) -> "Caller":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _call(self) -> None:
        while not self._stop.is_set():
            try:
                self.call()
                self.answered += 1
            except Exception as error:  # noqa: BLE001  # whatever it is, it must not happen
                self.errors.append(error)
            time.sleep(0.02)


def command(aws: LocalAws, folder: Path, *arguments: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "jina_v3_infra.deploy", *arguments, "--config", str(folder / "life.toml")],
        env=os.environ | aws.environment(REGION) | {"COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    return ran.stdout + ran.stderr


def embed(runtime: Any) -> np.ndarray:
    body = {"data": [{"text": text} for text in TEXTS], "parameters": {"task": "text-matching", "dimensions": 32}}
    answer = runtime.invoke_endpoint(EndpointName="life", ContentType="application/json", Body=json.dumps(body))
    return np.array([item["embedding"] for item in json.loads(answer["Body"].read())["data"]], np.float32)


def expected(model: Path) -> np.ndarray:
    return np.asarray(Encoder.from_folder(model, device="cpu").encode(TEXTS, task=Task.TEXT_MATCHING, dimensions=32))


def runtime_client(aws: LocalAws) -> Any:
    """A client that tries once only: a call that fails shall be seen, not made again."""
    return boto3.client(
        "sagemaker-runtime",
        region_name=REGION,
        endpoint_url=aws.url,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(retries={"total_max_attempts": 1}, read_timeout=70),
    )


def deploy(aws: LocalAws, folder: Path, config: str) -> str:
    (folder / "life.toml").write_text(config)
    return command(aws, folder, "deploy", "--yes")


def machines(aws: LocalAws) -> list[str]:
    sagemaker = aws.client("sagemaker", REGION)
    config = sagemaker.describe_endpoint(EndpointName="life")["EndpointConfigName"]
    variants = sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
    return [variant["InstanceType"] for variant in variants]


def scaling(aws: LocalAws) -> tuple[list[tuple[str, int, int]], list[str]]:
    """The scalable targets with their bounds, and what policies there are for them."""
    client = aws.client("application-autoscaling", REGION)
    targets = client.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    policies = client.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    return (
        [(target["ResourceId"], target["MinCapacity"], target["MaxCapacity"]) for target in targets],
        [policy["ResourceId"] for policy in policies],
    )


def check_the_client(aws: LocalAws, client: EmbeddingClient) -> None:
    with pytest.raises(InvalidInputError) as refused:
        client.embed([*TEXTS, " "])
    assert (refused.value.code, refused.value.index) == ("empty_text", 3)
    assert client.embed(["harbour", ""], errors="return").errors[1].code == "empty_text"
    for variant, outcome in (("main", None), ("nobody", EndpointNotFoundError)):
        with EmbeddingClient(Endpoint("life", region=REGION, variant=variant), dimensions=32) as one:
            if outcome is None:
                assert one.embed("harbour").shape == (1, 32)
            else:
                with pytest.raises(outcome, match="nobody"):
                    one.embed("harbour")
    check_access_errors(aws)
    check_the_command(aws)


def check_access_errors(aws: LocalAws) -> None:
    wrong = [
        ((ACCESS_KEY, "another-secret"), "secret access key does not belong"),
        (("AKIAUNKNOWN", SECRET_KEY), "does not know the access key"),
        ((ACCESS_KEY, SECRET_KEY, "old"), "session token does not belong"),
    ]
    for keys, words in wrong:
        session = boto3.Session(*keys, region_name=REGION)
        with EmbeddingClient("life", session=session) as client, pytest.raises(AccessError, match=words) as refused:
            client.embed("harbour")
        assert "another-secret" not in str(refused.value)
        assert "harbour" not in str(refused.value)
    denied = aws.faults.add(kind="denied", operation="InvokeEndpoint", endpoint="life")
    with EmbeddingClient("life", region=REGION) as client, pytest.raises(AccessError) as refused:
        client.embed("harbour")
    assert "may not do sagemaker:InvokeEndpoint on arn:aws:sagemaker:" in refused.value.message
    assert aws.faults.list()
    aws.faults.remove(denied)


def check_the_command(aws: LocalAws) -> None:
    check_all_is_well_but_the_width(jina_v3(aws, REGION, "doctor", "--deployment", "life", "--json").stdout)
    denied = jina_v3(aws, REGION, "doctor", "--endpoint", "life", "--json", AWS_SECRET_ACCESS_KEY="another-secret")
    assert denied.returncode == 1
    assert "secret" in denied.stdout
    (listed,) = json.loads(succeed(aws, REGION, "endpoints", "--json"))["endpoints"]
    assert (listed["name"], listed["status"], listed["deployment"]) == ("life", "InService", "life")
    lines = succeed(
        aws,
        REGION,
        "embed",
        "--deployment",
        "life",
        "--dimensions",
        "32",
        "--task",
        "text-matching",
        given="\n".join(TEXTS),
    ).splitlines()
    vectors = np.array([json.loads(line)["embedding"] for line in lines], np.float32)
    assert np.abs(vectors - embed(runtime_client(aws))).max() < 1e-5


def check_the_printed_calls(aws: LocalAws, screen: str) -> None:
    """Do as deploying says, but for the stand-in's fewer dimensions."""
    by_python, _, rest = screen.partition("Python:\n")[2].partition("command line:\n")
    program = textwrap.dedent(by_python).replace('parcel?"', 'parcel?", dimensions=32')
    environment = os.environ | aws.environment(REGION)
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=240)
    assert len(ran.stdout.strip(" []\n").split()) == 32, ran.stderr
    line = rest.partition("\n")[0]
    command, *words = shlex.split(line)
    assert command == "jina-v3"
    assert len(json.loads(succeed(aws, REGION, *words, "--dimensions", "32"))["embedding"]) == 32


def test_deploy_call_update_destroy(
    aws: LocalAws, models: list[Path], tmp_path: Path, inventory: Inventory, caller: None
) -> None:
    before = inventory(REGION)
    first = CONFIG.format(model=models[0])
    screen = deploy(aws, tmp_path, first)
    check_the_printed_calls(aws, screen)
    runtime = runtime_client(aws)
    assert np.abs(embed(runtime) - expected(models[0])).max() < 1e-5
    assert machines(aws) == ["ml.g6.xlarge"]
    scaled = ([("endpoint/life/variant/main", 2, 4)], ["endpoint/life/variant/main"])
    assert scaling(aws) == scaled
    created = aws.client("sagemaker", REGION).describe_endpoint(EndpointName="life")["LastModifiedTime"]

    again = deploy(aws, tmp_path, first)  # nothing to do, and nothing is done
    assert "no changes" in again.lower()
    assert aws.client("sagemaker", REGION).describe_endpoint(EndpointName="life")["LastModifiedTime"] == created

    client = EmbeddingClient.from_deployment("life", region=REGION, task="text-matching", dimensions=32)
    check_the_client(aws, client)
    either = [expected(model) for model in models]

    def embed_many() -> None:
        vectors = client.embed(TEXTS * 3).vectors.reshape(3, -1, 32)
        assert (
            min(np.abs(vectors - one).max() for one in either) < 1e-5
        )  # by one of both models, and not by some of each

    with Caller(lambda: embed(runtime)) as theirs, Caller(embed_many) as ours:
        screen = deploy(aws, tmp_path, first.replace("ml.g6.xlarge", "ml.g5.xlarge"))
        assert "autoscaling of variant main is taken away for the change of its machine" in screen
        assert scaling(aws) == scaled  # AWS refuses the change while they are there, and they are there again
        assert machines(aws) == ["ml.g5.xlarge"]
        updated = aws.client("sagemaker", REGION).describe_endpoint(EndpointName="life")
        routing = updated["LastDeploymentConfig"]["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]
        assert (updated["EndpointStatus"], routing["Type"]) == ("InService", "CANARY")
        assert np.abs(embed(runtime) - expected(models[0])).max() < 1e-5
        deploy(aws, tmp_path, CONFIG.format(model=models[1]).replace("ml.g6.xlarge", "ml.g5.xlarge"))
        assert np.abs(embed(runtime) - expected(models[1])).max() < 1e-5
    for one in (theirs, ours):
        assert not one.errors, one.errors[0]
        assert one.answered > 50

    assert inventory(REGION) != before
    command(aws, tmp_path, "destroy", "--yes")
    with pytest.raises(ClientError, match="not found"):
        embed(runtime)
    with client, pytest.raises(EndpointNotFoundError, match=f"not found, in {REGION}"):
        client.embed("harbour")
    assert inventory(REGION) == before
