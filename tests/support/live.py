"""What the tests of a real account share: the deployment, its calls, and waiting that ends."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from jina_v3_infra.config import Deployment, read_deployment
from jina_v3_infra.deploy.account import open_account
from jina_v3_infra.deploy.stack_state import find_stack
from jina_v3_infra.log_groups import endpoint_log_group
from jina_v3_infra.outputs import Foundation, Output, read_foundation, read_outputs

TEXTS = ["the sun rises over the harbour", "Boote kehren heim", "le port calme"]
_COMMAND_LIMIT_S = 2 * 3600
_ONCE = Config(retries={"total_max_attempts": 1}, read_timeout=70, max_pool_connections=64)


def until(what: str, look: Callable[[], Any], *, limit_s: float, every_s: float = 5) -> Any:
    """Return what ``look`` finds, as soon as it finds something."""
    deadline = time.monotonic() + limit_s
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what}: it did not come within {limit_s:g} s"
        time.sleep(every_s)
    return found


@dataclass
class Load:
    """Callers that call without a pause, count, and keep what fails."""

    call: Callable[[], object]
    latencies_s: list[float] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def running(self, callers: int) -> Iterator["Load"]:
        with ThreadPoolExecutor(callers) as threads:
            for _ in range(callers):
                threads.submit(self._go_on)
            try:
                yield self
            finally:
                self._stop.set()

    def _go_on(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                self.call()
                self.latencies_s.append(time.monotonic() - began)
            except Exception as error:  # noqa: BLE001  # the test says which may be
                self.errors.append(error)
                time.sleep(0.5)


class Live:
    """One deployment in the account that the environment's credentials are of."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.overrides: list[str] = []
        self.account = open_account(read_deployment(config).region)

    @property
    def deployment(self) -> Deployment:
        return read_deployment(self.config, self.overrides)

    @property
    def name(self) -> str:
        return self.deployment.endpoint_name

    def client(self, service: str, region: str | None = None) -> Any:
        return self.account.client(service, region)

    @cached_property
    def runtime(self) -> Any:
        """A client that tries once only: a call that fails shall be seen, not made again."""
        return self.account.session.client("sagemaker-runtime", region_name=self.account.region, config=_ONCE)

    @property
    def foundation(self) -> Foundation:
        found = read_foundation(self.client("cloudformation"), self.deployment.foundation_stack)
        assert found is not None, f"{self.deployment.foundation_stack} is not whole"
        return found

    @property
    def component(self) -> str | None:
        outputs = read_outputs(self.client("cloudformation"), self.deployment.endpoint_stack) or {}
        return outputs.get(Output.INFERENCE_COMPONENT)

    def standing_stacks(self) -> list[str]:
        names = (self.deployment.endpoint_stack, self.deployment.foundation_stack)
        return [name for name in names if find_stack(self.client("cloudformation"), name) is not None]

    def command(self, *words: str) -> str:
        """Run ``jina-v3-infra`` with this configuration, show what it says, and return it."""
        overrides = [word for one in self.overrides for word in ("-c", one)]
        command = [sys.executable, "-m", "jina_v3_infra.deploy", *words, "--config", str(self.config), *overrides]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
            timer = threading.Timer(_COMMAND_LIMIT_S, running.terminate)
            timer.start()
            lines = []
            assert running.stdout is not None
            for line in running.stdout:
                print(line, end="", flush=True)
                lines.append(line)
            timer.cancel()
        said = "".join(lines)
        assert running.returncode == 0, f"jina-v3-infra {words[0]} failed with {running.returncode}:\n{said[-4000:]}"
        return said

    def need_real_time(self) -> None:
        """Skip a test of calls that are answered at once where the endpoint has none; wake one that may sleep."""
        endpoint = self.deployment.endpoint
        if endpoint.asynchronous is not None:
            pytest.skip("the endpoint of this configuration is asynchronous")
        if endpoint.inference_component is not None and endpoint.inference_component.scaling.min == 0:
            until("an answer of a component that may be at zero", self.answers, limit_s=2400, every_s=20)

    def answers(self) -> bool:
        """Say whether a call is answered now."""
        try:
            return bool(self.invoke()["parsed"]["data"])
        except ClientError:
            return False

    def invoke(self, body: bytes | None = None, **more: Any) -> dict[str, Any]:
        """Call the endpoint once, with three texts if nothing else is given."""
        if self._component_name is not None:
            more = {"InferenceComponentName": self._component_name, **more}
        if body is None:
            body = json.dumps({"input": TEXTS, "task": "text-matching", "dimensions": 32}).encode()
        given: dict[str, Any] = {"EndpointName": self.name, "ContentType": "application/json", "Body": body, **more}
        answer: dict[str, Any] = self.runtime.invoke_endpoint(**given)
        return answer | {"parsed": json.loads(answer["Body"].read())}

    @cached_property
    def _component_name(self) -> str | None:
        return self.component

    def endpoint(self) -> dict[str, Any]:
        described: dict[str, Any] = self.client("sagemaker").describe_endpoint(EndpointName=self.name)
        return described

    def endpoint_config(self) -> dict[str, Any]:
        name = self.endpoint()["EndpointConfigName"]
        described: dict[str, Any] = self.client("sagemaker").describe_endpoint_config(EndpointConfigName=name)
        return described

    def model(self) -> dict[str, Any]:
        sagemaker = self.client("sagemaker")
        if self.component is not None:
            found = sagemaker.describe_inference_component(InferenceComponentName=self.component)
            name = found["Specification"]["ModelName"]
        else:
            name = self.endpoint_config()["ProductionVariants"][0]["ModelName"]
        described: dict[str, Any] = sagemaker.describe_model(ModelName=name)
        return described

    def log_events(self) -> list[dict[str, Any]]:
        """Return the container's log: of each JSON line its fields, with the stream and the time (s) of arrival."""
        logs, group = self.client("logs"), endpoint_log_group(self.deployment)
        events = []
        for page in logs.get_paginator("describe_log_streams").paginate(logGroupName=group):
            for stream in page["logStreams"]:
                name = stream["logStreamName"]
                got = logs.get_log_events(logGroupName=group, logStreamName=name, startFromHead=True)["events"]
                for one in got:
                    with contextlib.suppress(ValueError):
                        fields = json.loads(one["message"])
                        if isinstance(fields, dict):
                            events.append(fields | {"stream": name, "logged_s": one["timestamp"] / 1000})
        return events

    def metric_sum(self, name: str, dimensions: dict[str, str], namespace: str = "AWS/SageMaker") -> float:
        """Return the sum of a metric over the last hour."""
        now = datetime.now(UTC)
        points = self.client("cloudwatch").get_metric_statistics(
            Namespace=namespace,
            MetricName=name,
            Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(minutes=1),
            Period=60,
            Statistics=["Sum"],
        )["Datapoints"]
        return float(sum(point["Sum"] for point in points))

    def call_dimensions(self) -> dict[str, str]:
        """Return the dimensions that the metrics of calls have."""
        if self.component is not None:
            return {"InferenceComponentName": self.component}
        return {"EndpointName": self.name, "VariantName": self.deployment.endpoint.variants[0].name}


def live_config() -> Path | None:
    """Return the configuration that the run was given, ``None`` where it is no live run."""
    if os.environ.get("JINA_V3_LIVE") != "1":
        return None
    return Path(os.environ["JINA_V3_LIVE_CONFIG"])
