"""Templates of configurations, synthesised once each, and their content in a form that is short to compare."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

# isort: off
import jina_v3_infra.stacks  # noqa: F401  # names the wheel's Node before anything imports aws_cdk
from aws_cdk import Validations

# isort: on
from cdk_nag import AwsSolutionsChecks

from jina_v3_infra.config import check_deployment, read_deployment
from jina_v3_infra.release import Release
from jina_v3_infra.stacks.application import build_application

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "infra/examples"
RELEASE = Release(image_tag="cu128-0123456789ab", model="0123456789ab-ba9876543210")

_VPC = {
    "vpc": "vpc-0123456789abcdef0",
    "subnets": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
    "security_groups": ["sg-0123456789abcdef0"],
}
THEIR_KEY = "arn:aws:kms:us-east-1:210987654321:key/theirs"
_DATA_KEY = "arn:aws:kms:us-east-1:210987654321:key/data"
_VOLUME_KEY = "arn:aws:kms:us-east-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef"
_TWO = {"min": 2, "max": 8, "concurrency": 12, "scale_out_cooldown_s": 20, "scale_in_cooldown_s": 400}
CASES: dict[str, dict[str, Any]] = {
    "default": {},
    "given": {
        "tags": {"team": "search", "project": "another"},
        "image": {"uri": "210987654321.dkr.ecr.us-east-1.amazonaws.com/team/jina:7"},
        "model": {"source": "s3://their-models/jina/v3/", "kms_key": THEIR_KEY},
        "endpoint": {"environment": {"JINA_V3_MAX_QUEUE_S": "9"}, "name": "Another"},
    },
    "docker": {
        "image": {"build": "docker"},
        "endpoint": {"variants": [{"instance_pool": ["ml.g5.xlarge", "ml.g6e.xlarge"]}]},
    },
    "vpc-create": {
        "account": "123456789012",
        "region": "eu-west-1",
        "network": {"vpc": "create", "cidr": "10.9.0.0/16", "zones": 3},
        "endpoint": {"name": "InVpc"},
    },
    "china": {
        "region": "cn-north-1",
        "endpoint": {"capture": {"percent": 20, "keep_days": 9, "prefix": "kept"}},
    },
    "asynchronous": {
        "endpoint": {
            "asynchronous": {"output_prefix": "later", "concurrency": 3},
            "variants": [{"scaling": {"min": 2, "max": 2}}],
        }
    },
    "asynchronous-zero": {
        "endpoint": {
            "asynchronous": {
                "success_topic": "arn:aws:sns:us-east-1:123456789012:theirs",
                "topics_kms_key": "arn:aws:kms:us-east-1:210987654321:key/theirs",
            },
            "variants": [{"scaling": {"min": 0, "max": 5, "backlog": 7, "scale_out_cooldown_s": 90}}],
        }
    },
    "operated": {
        "operations": {
            "emails": ["search@example.com", "night@example.com"],
            "topics": ["arn:aws:sns:us-east-1:123456789012:pager"],
            "monthly_budget_usd": 900,
            "log_days": 14,
            "dashboard": False,
            "detailed_metrics": True,
            "enhanced_metrics": True,
            "metrics_every_s": 30,
            "alarms": {"most_gpu_memory_percent": 80, "most_queue_wait_ms": 250, "longest_without_machine_min": 7},
        },
        "endpoint": {"variants": [{"instance_type": "ml.g5.12xlarge"}]},
        "batch": {},
    },
    "variants": {
        "endpoint": {
            "variants": [
                {"name": "old", "weight": 9, "scaling": _TWO},
                {"name": "new", "weight": 1, "instance_type": "ml.g5.xlarge", "scaling": {"min": 2, "max": 2}},
            ],
            "update": {"canary_percent": 25, "canary_wait_s": 200, "termination_wait_s": 100},
        },
        "network": _VPC,
    },
    "cpu": {
        "image": {"torch": "cpu"},
        "endpoint": {"variants": [{"instance_type": "ml.c7i.4xlarge"}], "volume_kms_key": _VOLUME_KEY},
    },
    "component": {
        "endpoint": {
            "variants": [{"scaling": {"min": 0, "max": 3}}],
            "inference_component": {"scaling": {"min": 0, "max": 3, "concurrency": 7}, "memory_mb": 5000},
        },
        "network": _VPC,
    },
    "batch": {
        "name": "Data",  # with a capital, which SageMaker's ARNs do not have
        "endpoint": {"enabled": False},
        "model": {"source": "s3://their-models/jina/v3/", "kms_key": THEIR_KEY},
        "network": _VPC,
        "tags": {"team": "search"},
        "batch": {
            "archive": "s3://their-models/jina/v3.tar.gz",
            "instance_type": "ml.g5.2xlarge",
            "instances": 3,
            "jobs": 5,
            "attempts": 4,
            "most_usd": 12.5,
            "datasets": ["s3://their-data/documents/", "s3://their-data/more/"],
            "results": ["s3://their-vectors/out/"],
            "kms_keys": [_DATA_KEY],
            "on_success_file": True,
            "schedules": [
                {
                    "name": "nightly",
                    "expression": "cron(0 3 * * ? *)",
                    "timezone": "Europe/Berlin",
                    "dataset": "s3://their-data/documents/new/",
                    "output": "s3://their-vectors/out/nightly/",
                    "task": "retrieval.passage",
                    "dimensions": 256,
                    "embedding_type": "binary",
                },
                {"name": "hourly", "expression": "rate(1 hour)", "dataset": "news"},
            ],
            "environment": {"JINA_V3_MAX_QUEUE_S": "9"},
            "keep_days": 9,
        },
    },
    "batch-beside": {"batch": {}, "network": {"vpc": "create"}},
    "batch-cpu": {
        "image": {"torch": "cpu"},
        "endpoint": {"enabled": False},
        "batch": {"instance_type": "ml.c7i.4xlarge"},
    },
    "component-fixed": {"endpoint": {"inference_component": {"scaling": {"min": 1, "max": 1}}}},
}
ELSEWHERE = {"vpc-create": "eu-west-1", "china": "cn-north-1"}
"""Cases that are not in us-east-1."""

EXAMPLE_NAMES = sorted(path.name for path in EXAMPLES.iterdir())


@dataclass(frozen=True)
class Resource:
    """A resource of a template, with its references written as ``${Name}`` or ``${Name.Attribute}``."""

    stack: str
    name: str
    type: str
    properties: dict[str, Any]
    raw: dict[str, Any]


@dataclass(frozen=True)
class Templates:
    """The templates of a configuration by the last word of their stack's name, and what cdk-nag found."""

    folder: Path
    stacks: dict[str, dict[str, Any]]
    findings: tuple[str, ...]

    @property
    def foundation(self) -> dict[str, Any]:
        return self.stacks["foundation"]

    @property
    def endpoint(self) -> dict[str, Any]:
        return self.stacks["endpoint"]

    @property
    def batch(self) -> dict[str, Any]:
        return self.stacks["batch"]

    def resources(self, type: str | None = None) -> list[Resource]:
        return [
            Resource(stack, name, each["Type"], plain(each.get("Properties", {})), each)
            for stack, template in self.stacks.items()
            for name, each in template["Resources"].items()
            if type is None or each["Type"] == f"AWS::{type}"
        ]

    def names(self, tag: str) -> str:
        """Return the value of a tag that everything has."""
        return {each["Key"]: each["Value"] for each in self.one("KMS::Key")["Tags"]}[tag]

    def one(self, type: str) -> dict[str, Any]:
        (found,) = self.resources(type)
        return found.properties


def plain(value: Any) -> Any:
    """Write joins and references as one text."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((function, of),) = value.items()
        if function == "Ref":
            return f"${{{of}}}"
        if function == "Fn::GetAtt":
            return f"${{{'.'.join(of)}}}"
        if function == "Fn::Join":
            return of[0].join(map(str, plain(of[1])))
        if function == "Fn::ImportValue":
            return f"${{{of}}}"
    return {key: plain(item) for key, item in value.items()}


def case(name: str) -> Templates:
    """Return the templates of a case above, or of an example by its file's name."""
    return _synthesise(name)


_folders: Callable[[], Path] | None = None


def keep_templates(make_folder: Callable[[], Path]) -> None:
    """Say where templates are written: to folders that stay until the run has ended."""
    global _folders  # fixtures cannot be asked from a cached function
    _folders = make_folder


@cache
def _synthesise(name: str) -> Templates:
    assert _folders is not None, "keep_templates has not been called"
    deployment = read_deployment(EXAMPLES / name) if name in EXAMPLE_NAMES else check_deployment(CASES[name])
    folder = _folders()
    app = build_application(deployment, release=RELEASE, outdir=folder)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app, verbose=True))
    findings: tuple[str, ...] = ()
    try:
        app.synth()
    except Exception as failure:  # jsii's own types of errors
        if "ValidationFailed" not in str(failure):
            raise
        findings = tuple(_findings(folder))
    templates = {
        stack.rpartition("-")[2]: json.loads((folder / f"{stack}.template.json").read_text())
        for stack in deployment.stacks
    }
    return Templates(folder, templates, findings)


def _findings(folder: Path) -> Iterator[str]:
    report = json.loads((folder / "validation-report.json").read_text())
    for plugin in report["pluginReports"]:
        for violation in plugin["violations"]:
            yield json.dumps(violation)[:500]
