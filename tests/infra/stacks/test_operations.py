"""What is watched, who is told, what may be spent: alarms with their runbook, dashboard, topics, budget, metrics."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from tests.support.templates import RELEASE, ROOT, Templates, case, plain

from jina_v3_infra.config import check_deployment
from jina_v3_infra.stacks.application import build_application
from jina_v3_infra.stacks.operations.runbook import RUNBOOK, Page

RUNBOOK_TEXT = (ROOT / RUNBOOK).read_text(encoding="utf-8")
OWN = "${jina-v3-foundation:OperationsTopic}"
PAGER = "arn:aws:sns:us-east-1:123456789012:pager"


def sections() -> dict[str, str]:
    """The runbook's sections by their anchors, as GitHub makes them of headings."""
    parts = re.split(r"^## (.+)$", RUNBOOK_TEXT, flags=re.MULTILINE)
    return {title.lower().replace(" ", "-"): text for title, text in zip(parts[1::2], parts[2::2], strict=True)}


def alarms(name: str) -> dict[str, dict[str, Any]]:
    return {each.name: each.properties for each in case(name).resources("CloudWatch::Alarm")}


def alarm(name: str, start: str) -> dict[str, Any]:
    (found,) = [properties for id, properties in alarms(name).items() if id.startswith(start)]
    return found


def test_every_alarm_names_what_happened_its_limit_and_a_page_that_is_there(every: Templates) -> None:
    for each in every.resources("CloudWatch::Alarm"):
        said = re.fullmatch(r"[^:]+: (.+)\. Limit: (.+)\. What to do: (\S+)#(\S+)", each.properties["AlarmDescription"])
        assert said is not None, each.properties["AlarmDescription"]
        assert said[3] == RUNBOOK
        assert said[4] in sections()


def test_every_page_is_an_alarm_s_and_says_what_to_do() -> None:
    assert sections().keys() == {str(page) for page in Page}
    for anchor, text in sections().items():
        for word in ("**Means**", "**See**", "**Do**", "**Prevent**"):
            assert word in text, f"{anchor} lacks {word}"


def test_every_link_of_the_runbook_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", RUNBOOK_TEXT):
        page, _, anchor = target.partition("#")
        if not page:
            assert anchor in sections()
            continue
        text = Path(ROOT / "docs" / page).read_text(encoding="utf-8")
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        titles = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
        assert not anchor or anchor in titles, target


def test_the_runbook_names_settings_that_there_are() -> None:
    reference = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    for place in re.findall(r"`(operations\.alarms|endpoint\.update|endpoint\.asynchronous)\.(\w+)`", RUNBOOK_TEXT):
        section = reference.partition(f"## `[{place[0]}]`")[2].partition("\n## ")[0]
        assert f"`{place[1]}`" in section, place


def test_every_alarm_but_those_that_scale_tells_the_topic(every: Templates) -> None:
    policies = {f"${{{each.name}}}" for each in every.resources("ApplicationAutoScaling::ScalingPolicy")}
    for each in every.resources("CloudWatch::Alarm"):
        actions = set(each.properties["AlarmActions"])
        assert actions <= policies or any(action.endswith("-foundation:OperationsTopic}") for action in actions)


def test_topics_of_the_configuration_are_told_too() -> None:
    assert {tuple(each["AlarmActions"]) for each in alarms("operated").values()} == {(OWN, PAGER)}
    assert {tuple(each["AlarmActions"]) for each in alarms("default").values()} == {(OWN,)}


def test_people_are_told_by_mail() -> None:
    subscribed = {
        (each.properties["Protocol"], each.properties["Endpoint"])
        for each in case("operated").resources("SNS::Subscription")
    }
    assert subscribed == {("email", "search@example.com"), ("email", "night@example.com")}
    assert not case("default").resources("SNS::Subscription")


def test_what_is_watched_of_an_endpoint() -> None:
    pages = sorted(each["AlarmDescription"].partition("#")[2] for each in alarms("default").values())
    assert pages == sorted(
        ["failures", "slow-answers", "gpu-busy", "gpu-memory", "machine-memory", "disk", "queue-wait", "ping-fails",
         "no-machine"]
    )  # fmt: skip


def test_an_asynchronous_endpoint_is_watched_for_its_backlog_too() -> None:
    pages = {each["AlarmDescription"].partition("#")[2] for each in alarms("asynchronous-zero").values()}
    assert {"backlog-age", "backlog-without-machine", "failed-asynchronous-calls", "undelivered-notices"} <= pages
    assert "no-machine" not in pages  # it may have none
    assert not {"slow-answers", "queue-wait"} & pages  # its calls may take an hour, and wait
    waiting = alarm("asynchronous-zero", "WatchWithoutMachine")
    assert (waiting["MetricName"], waiting["Statistic"]) == ("HasBacklogWithoutCapacity", "Minimum")
    assert (waiting["Period"], waiting["EvaluationPeriods"], waiting["Threshold"]) == (60, 20, 0)
    age = alarm("asynchronous-zero", "WatchBacklogAge")
    assert (age["MetricName"], age["Threshold"]) == ("ApproximateAgeOfOldestRequest", 1800)
    failed = alarm("asynchronous-zero", "WatchFailedCalls")
    watched = {each["MetricStat"]["Metric"]["MetricName"] for each in failed["Metrics"] if "MetricStat" in each}
    assert watched == {"InvocationFailures", "ExpiredRequests"}


def test_a_machine_without_gpu_is_not_watched_for_one() -> None:
    assert not [id for id in alarms("cpu") if "Gpu" in id]


def test_limits_are_the_configuration_s_and_count_every_gpu() -> None:
    memory = alarm("operated", "WatchGpuMemory")
    assert (memory["Namespace"], memory["MetricName"]) == ("/aws/sagemaker/Endpoints", "GPUMemoryUtilization")
    assert memory["Threshold"] == 80 * 4  # ml.g5.12xlarge: SageMaker adds the GPUs up
    assert alarm("default", "WatchGpuMemory")["Threshold"] == 95
    assert alarm("operated", "WatchMemory")["Threshold"] == 90
    waits = alarm("operated", "WatchQueueWait")
    assert (waits["Threshold"], waits["EvaluationPeriods"]) == (250, 5)
    gone = alarm("operated", "WatchNoMachine")
    assert (gone["EvaluationPeriods"], gone["TreatMissingData"], gone["Statistic"]) == (7, "breaching", "SampleCount")
    assert (gone["ComparisonOperator"], gone["Threshold"]) == ("LessThanThreshold", 1)


def test_an_endpoint_without_machines_rings_neither_while_it_is_made_nor_while_it_is_deleted() -> None:
    (endpoint,) = [each.name for each in case("default").resources("SageMaker::Endpoint")]
    silent = [each for each in case("default").resources("CloudWatch::Alarm") if "NoMachine" in each.name]
    assert [each.raw["DependsOn"] for each in silent] == [[endpoint]]


def test_runs_that_fail_or_cannot_start_tell_the_topic() -> None:
    pages = {
        each.properties["MetricName"]: each.properties["AlarmDescription"].partition("#")[2]
        for each in case("batch").resources("CloudWatch::Alarm")
    }
    assert pages == {
        "ExecutionsFailed": "run-failed",
        "ExecutionsTimedOut": "run-ran-too-long",
        "FailedInvocations": "run-not-started",
    }


def test_the_container_s_log_becomes_metrics_that_alarms_watch() -> None:
    made = {}
    for each in case("default").resources("Logs::MetricFilter"):
        (transformation,) = each.properties["MetricTransformations"]
        made[transformation["MetricNamespace"], transformation["MetricName"]] = (
            each.properties["FilterPattern"],
            transformation["MetricValue"],
        )
    watched = {(each["Namespace"], each["MetricName"]) for each in alarms("default").values() if "MetricName" in each}
    assert made["JinaV3/jina-v3", "QueueWaitP99"] == ('{ $.event = "load" }', "$.queue_wait_p99_ms")
    assert made["JinaV3/jina-v3", "PingFailures"] == ('{ $.level = "critical" }', "1")
    assert {one for one in watched if one[0].startswith("JinaV3")} <= made.keys()


def test_a_filter_s_fields_are_those_that_the_container_writes() -> None:
    from jina_v3.serving.load_report import describe_load

    written = describe_load([0.1], 1, 2)
    for each in case("default").resources("Logs::MetricFilter"):
        value = each.properties["MetricTransformations"][0]["MetricValue"]
        assert value == "1" or value.removeprefix("$.") in written


def test_the_filters_find_the_container_s_own_lines() -> None:
    """Each line is written by the container's formatter, and read as CloudWatch Logs reads a filter's pattern."""
    from jina_v3.serving.load_report import describe_load
    from jina_v3.serving.logs import JsonLines

    def written(level: int, event: str, **fields: Any) -> dict[str, Any]:
        record = logging.LogRecord("jina_v3", level, "", 0, event, (), None)
        record.fields = fields
        line: dict[str, Any] = json.loads(JsonLines().format(record))
        return line

    lines = {
        "QueueWaitP99": written(logging.INFO, "load", **describe_load([0.1, 0.2], 1, 2)),
        "QueueRequests": written(logging.INFO, "load", **describe_load([], 3, 4)),
        "PingFailures": written(logging.CRITICAL, "cannot start", message="no model"),
    }
    other = written(logging.WARNING, "request", status=503)
    for each in case("default").resources("Logs::MetricFilter"):
        (transformation,) = each.properties["MetricTransformations"]
        pattern = re.fullmatch(r'\{ \$\.(\w+) = "(\w+)" \}', each.properties["FilterPattern"])
        assert pattern is not None
        field, wanted = pattern.groups()
        line = lines[transformation["MetricName"]]
        assert (line[field], other[field] == wanted) == (wanted, False)
        value = transformation["MetricValue"]
        assert value == "1" or isinstance(line[value.removeprefix("$.")], int | float)


def test_a_budget_watches_what_carries_the_tag() -> None:
    budget = case("operated").one("Budgets::Budget")
    assert budget["Budget"]["BudgetLimit"] == {"Amount": 900, "Unit": "USD"}
    assert budget["Budget"]["CostFilters"] == {"TagKeyValue": ["user:deployment$jina-v3"]}
    warned = [
        (each["Notification"]["NotificationType"], each["Notification"]["Threshold"], each["Subscribers"][0])
        for each in budget["NotificationsWithSubscribers"]
    ]
    (topic,) = [each.name for each in case("operated").resources("SNS::Topic") if each.stack == "foundation"]
    told = {"SubscriptionType": "SNS", "Address": f"${{{topic}}}"}
    assert warned == [("ACTUAL", 80, told), ("FORECASTED", 100, told)]
    assert not case("default").resources("Budgets::Budget")


def test_a_budget_watches_the_tag_that_a_configuration_gives_everything(tmp_path: Path) -> None:
    deployment = check_deployment({"tags": {"deployment": "blue"}, "operations": {"monthly_budget_usd": 9}})
    app = build_application(deployment, release=RELEASE, outdir=tmp_path)
    resources = app.synth().get_stack_by_name("jina-v3-foundation").template["Resources"].values()
    (budget,) = [each["Properties"]["Budget"] for each in resources if each["Type"] == "AWS::Budgets::Budget"]
    (key,) = [each["Properties"]["Tags"] for each in resources if each["Type"] == "AWS::KMS::Key"]
    assert {"Key": "deployment", "Value": "blue"} in key
    assert budget["CostFilters"] == {"TagKeyValue": ["user:deployment$blue"]}


def test_a_budget_waits_for_the_policy_of_its_topic() -> None:
    (budget,) = case("operated").resources("Budgets::Budget")
    (policy,) = [each.name for each in case("operated").resources("SNS::TopicPolicy") if each.stack == "foundation"]
    assert policy in budget.raw["DependsOn"]


def test_logs_are_kept_as_long_as_is_configured() -> None:
    for name, days in (("default", 90), ("operated", 14)):
        kept = {each.properties["RetentionInDays"] for each in case(name).resources("Logs::LogGroup")}
        assert kept == {days}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("default", (False, False, 60)),
        ("operated", (True, True, 30)),
        ("asynchronous", None),
    ],
)
def test_what_sagemaker_publishes_is_said(name: str, expected: tuple[bool, bool, int] | None) -> None:
    names = ("EnableDetailedObservability", "EnableEnhancedMetrics", "MetricPublishFrequencyInSeconds")
    said = case(name).one("SageMaker::EndpointConfig").get("MetricsConfig")
    assert said == (None if expected is None else dict(zip(names, expected, strict=True)))


def board(name: str) -> dict[str, Any]:
    body = case(name).one("CloudWatch::Dashboard")["DashboardBody"]
    read: dict[str, Any] = json.loads(plain(body))
    return read


@pytest.mark.parametrize("name", ["default", "variants", "component", "asynchronous-zero", "batch", "batch-cpu"])
def test_the_dashboard_shows_what_the_alarms_watch(name: str) -> None:
    shown = {(row[0], row[1]) for widget in board(name)["widgets"] for row in widget["properties"].get("metrics", [])}
    watched = set()
    for each in alarms(name).values():
        metrics = [one["MetricStat"]["Metric"] for one in each.get("Metrics", []) if "MetricStat" in one]
        watched |= {(one["Namespace"], one["MetricName"]) for one in (metrics or [each])}
    assert watched - shown <= {("AWS/SageMaker", "NoCapacityInvocationFailures")}


@pytest.mark.parametrize("name", ["variants", "batch"])
def test_the_dashboard_has_no_two_widgets_in_one_place(name: str) -> None:
    places = [(widget["x"], widget["y"]) for widget in board(name)["widgets"]]
    assert len(set(places)) == len(places)


def test_no_dashboard_has_the_name_of_another_of_the_account() -> None:
    names = [each["DashboardName"] for each in boards("batch-beside")]
    assert names == ["jina-v3-us-east-1", "jina-v3-batch-us-east-1"]
    assert [each["DashboardName"] for each in boards("vpc-create")] == ["jina-v3-eu-west-1"]


def test_there_is_no_dashboard_where_none_is_asked_for() -> None:
    assert not boards("operated")


def boards(name: str) -> list[dict[str, Any]]:
    return [each.properties for each in case(name).resources("CloudWatch::Dashboard")]
