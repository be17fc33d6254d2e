"""Every security property, as a walk over all resources of all cases: what is new must be decided here first."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest
from tests.support.templates import CASES, EXAMPLE_NAMES, ROOT, Resource, Templates, case, plain

from jina_v3_infra.stacks.permissions import BEHIND_A_NAME, PARTLY_NAMED, WITHOUT_RESOURCE

TYPES = {
    "ApplicationAutoScaling::ScalableTarget": "bounds of a count, no data",
    "ApplicationAutoScaling::ScalingPolicy": "how a count moves, no data",
    "Budgets::Budget": "a sum of money, no data",
    "CloudWatch::Alarm": "a threshold, no data",
    "CloudWatch::Dashboard": "names of metrics, no data",
    "CodeBuild::Project": "checked",
    "EC2::FlowLog": "checked",
    "EC2::RouteTable": "checked: there is no route",
    "EC2::SecurityGroup": "checked",
    "EC2::Subnet": "checked",
    "EC2::SubnetRouteTableAssociation": "no data",
    "EC2::VPC": "checked",
    "EC2::VPCEndpoint": "checked",
    "ECR::Repository": "checked",
    "Events::Rule": "checked",
    "IAM::Policy": "checked",
    "IAM::Role": "checked",
    "KMS::Alias": "a name",
    "KMS::Key": "checked",
    "Lambda::Function": "checked",
    "Logs::LogGroup": "checked",
    "Logs::MetricFilter": "numbers out of the log, no text",
    "S3::Bucket": "checked",
    "S3::BucketPolicy": "checked",
    "SNS::Subscription": "who is told of alarms",
    "SNS::Topic": "checked",
    "SNS::TopicPolicy": "checked",
    "SageMaker::Endpoint": "has what its configuration has",
    "SageMaker::EndpointConfig": "checked",
    "SageMaker::InferenceComponent": "has what its model has",
    "SageMaker::Model": "checked",
    "Scheduler::Schedule": "checked: it starts runs, and carries places",
    "StepFunctions::StateMachine": "checked",
}
UNTAGGED = {
    "ApplicationAutoScaling::ScalingPolicy",
    "EC2::SubnetRouteTableAssociation",
    "IAM::Policy",
    "KMS::Alias",
    "Logs::MetricFilter",
    "S3::BucketPolicy",
    "SNS::Subscription",
    "SNS::TopicPolicy",
    "Scheduler::Schedule",
}
"""Types that take no tags."""

KEY = re.compile(r"^\$\{(ArtifactsKey\w+\.Arn|[\w-]+-foundation:ArtifactKey)\}$")


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def documents(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every policy document, wherever it is."""
    if isinstance(value, dict):
        if "Statement" in value:
            yield value
        for item in value.values():
            yield from documents(item)
    elif isinstance(value, list):
        for item in value:
            yield from documents(item)


def statements(templates: Templates) -> Iterator[tuple[Resource, dict[str, Any]]]:
    for resource in templates.resources():
        for document in documents(resource.properties):
            assert document["Version"] == "2012-10-17"
            for statement in as_list(document["Statement"]):
                yield resource, statement


def test_every_type_of_resource_is_decided(every: Templates) -> None:
    found = {resource.type.removeprefix("AWS::") for resource in every.resources()}
    assert found <= TYPES.keys()  # no custom resource


def test_all_types_occur_so_that_the_list_is_no_longer_than_needed() -> None:
    found = {resource.type.removeprefix("AWS::") for name in CASES for resource in case(name).resources()}
    assert found == TYPES.keys()


def test_no_template_asks_for_anything(every: Templates) -> None:
    for template in every.stacks.values():
        assert template.keys() <= {"Description", "Resources", "Outputs"}  # no parameter, rule, macro or condition


def test_no_statement_allows_a_wildcard_of_actions(every: Templates) -> None:
    for resource, statement in statements(every):
        assert "NotAction" not in statement
        assert "NotResource" not in statement
        assert "NotPrincipal" not in statement
        if statement["Effect"] == "Deny":
            continue
        for action in as_list(statement["Action"]):
            if action == "kms:*":  # without it nobody could ever change the key's policy again
                assert resource.type == "AWS::KMS::Key"
                owner = r"arn:\$\{AWS::Partition\}:iam::(\$\{AWS::AccountId\}|123456789012):root"
                assert re.fullmatch(owner, statement["Principal"]["AWS"])
            else:
                assert re.fullmatch(r"[a-z0-9-]+:[A-Za-z]+", action), action


def test_wildcards_of_resources_are_those_of_the_tables(every: Templates) -> None:
    for resource, statement in statements(every):
        if statement["Effect"] == "Deny" or "Resource" not in statement:
            continue
        for name in as_list(statement["Resource"]):
            if name == "*":
                if resource.type != "AWS::KMS::Key":  # there: this key
                    assert set(as_list(statement["Action"])) <= WITHOUT_RESOURCE.keys(), statement
            elif "*" in name and not re.fullmatch(
                r"arn:\$\{AWS::Partition\}:s3:::[^*]+/[^*]*\*|\$\{[^*]+\}/[^*]+/\*", name
            ):
                if any(name.endswith(end) for end in PARTLY_NAMED):
                    assert "Condition" in statement
                else:
                    assert re.fullmatch(behind_a_name(every), name), name


def behind_a_name(templates: Templates) -> str:
    """Return the pattern of ARNs that end in a wildcard behind the deployment's name, or the account's log's."""
    name = templates.names("deployment")
    ends = [
        rf"execution:{name}-batch[:/]",
        r"log-group:/aws/sagemaker/TransformJobs:",
    ]
    assert all(any(end.startswith(kind) for end in ends) for kind in BEHIND_A_NAME)
    return rf"arn:[^*]+:({'|'.join(ends)})\*"


def test_wildcards_in_buckets_stay_under_a_prefix(every: Templates) -> None:
    for resource, statement in statements(every):
        if statement["Effect"] == "Allow" and resource.type.startswith("AWS::IAM::"):
            for name in as_list(statement.get("Resource", [])):
                if "*" in name and ("s3:::" in name or "Bucket" in name):
                    prefix = re.sub(r"\$\{[^}]*\}", "", name.removeprefix("arn:${AWS::Partition}:s3:::"))
                    assert re.fullmatch(r"[\w.-]*/[\w.-]+(/[\w.-]+)*/\*", prefix), name


def test_the_tables_have_reasons_and_nothing_unused() -> None:
    assert all(len(why) > 20 for table in (WITHOUT_RESOURCE, PARTLY_NAMED, BEHIND_A_NAME) for why in table.values())
    used, named, behind = set(), set(), set()
    for name in CASES:
        for _, statement in statements(case(name)):
            for resource in as_list(statement.get("Resource", [])):
                if resource == "*":
                    used |= set(as_list(statement["Action"]))
                named |= {end for end in PARTLY_NAMED if resource.endswith(end)}
                behind |= {kind for kind in BEHIND_A_NAME if f":{kind}" in resource}
    assert WITHOUT_RESOURCE.keys() <= used
    assert named == PARTLY_NAMED.keys()
    assert behind == BEHIND_A_NAME.keys()


def test_everybody_is_a_principal_only_where_it_denies_or_within_the_network(every: Templates) -> None:
    for resource, statement in statements(every):
        if statement.get("Principal") in ("*", {"AWS": "*"}) and statement["Effect"] == "Allow":
            assert resource.type == "AWS::EC2::VPCEndpoint"


def test_roles_have_no_managed_policy_no_name_and_trust_one_service_of_this_account(every: Templates) -> None:
    for resource in every.resources("IAM::Role"):
        assert resource.properties.keys().isdisjoint({"ManagedPolicyArns", "RoleName"})
        (trust,) = resource.properties["AssumeRolePolicyDocument"]["Statement"]
        assert isinstance(trust["Principal"]["Service"], str)
        if trust["Principal"]["Service"] == "lambda.amazonaws.com":
            assert "Condition" not in trust  # Lambda names no account, and takes roles of the function's own only
        else:
            assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "${AWS::AccountId}"}}
    assert "FullAccess" not in json.dumps(every.stacks)


def test_buckets_are_private_encrypted_versioned_and_refuse_plain_text(every: Templates) -> None:
    (bucket,) = every.resources("S3::Bucket")
    properties = bucket.properties
    (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["BucketKeyEnabled"] is True
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert KEY.match(rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"])
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(properties["PublicAccessBlockConfiguration"]) == 4
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert properties["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert "AccessControl" not in properties
    policy = every.one("S3::BucketPolicy")
    assert policy["Bucket"] == f"${{{bucket.name}}}"
    denied = {json.dumps(each["Condition"]): each for each in policy["PolicyDocument"]["Statement"]}
    plain_text = denied['{"Bool": {"aws:SecureTransport": "false"}}']
    assert (plain_text["Effect"], plain_text["Action"], plain_text["Principal"]) == ("Deny", "s3:*", {"AWS": "*"})
    assert plain_text["Resource"] == [f"${{{bucket.name}.Arn}}", f"${{{bucket.name}.Arn}}/*"]
    assert '{"NumericLessThan": {"s3:TlsVersion": 1.2}}' in denied


def test_keys_rotate_and_serve_the_log_groups_of_this_deployment_alone(every: Templates) -> None:
    key = every.one("KMS::Key")
    assert key["EnableKeyRotation"] is True
    _, logs, _ = key["KeyPolicy"]["Statement"]
    assert logs["Principal"] == {"Service": "logs.${AWS::Region}.amazonaws.com"}
    allowed = set(logs["Condition"]["ArnEquals"]["kms:EncryptionContext:aws:logs:arn"])
    assert not any("*" in arn for arn in allowed)
    groups = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:"
    deployment = every.names("deployment")
    endpoints = every.resources("SageMaker::Endpoint")
    name = endpoints[0].properties["EndpointName"] if endpoints else deployment
    containers = {f"{groups}/aws/sagemaker/{form}/{name}" for form in ("Endpoints", "InferenceComponents")}
    assert containers <= allowed  # while one form replaces the other, both log
    batch = ("/aws/lambda/{}-batch", "/aws/vendedlogs/states/{}-batch", "/{}/batch-flow")
    assert {groups + one.format(deployment) for one in batch} <= allowed
    assert len(allowed) == 7  # and the build's, and the network's
    for group in every.resources("Logs::LogGroup"):
        name = group.properties["LogGroupName"]
        assert f"{groups}{name}" in allowed


def test_keys_serve_alarms_and_budgets_of_this_account_alone(every: Templates) -> None:
    _, _, notices = every.one("KMS::Key")["KeyPolicy"]["Statement"]
    assert notices["Principal"] == {"Service": ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"]}
    assert notices["Condition"] == {"StringEquals": {"aws:SourceAccount": "${AWS::AccountId}"}}
    assert notices["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]


def test_topics_are_encrypted_and_refuse_plain_text(every: Templates) -> None:
    topics = every.resources("SNS::Topic")
    policies = {policy.properties["Topics"][0]: policy.properties for policy in every.resources("SNS::TopicPolicy")}
    assert policies.keys() == {f"${{{topic.name}}}" for topic in topics}
    for topic in topics:
        assert KEY.match(topic.properties["KmsMasterKeyId"])
        assert "TopicName" not in topic.properties
        denial, *allowed = policies[f"${{{topic.name}}}"]["PolicyDocument"]["Statement"]
        assert (denial["Effect"], denial["Action"], denial["Principal"]) == ("Deny", "sns:Publish", "*")
        assert denial["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        for statement in allowed:
            assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "${AWS::AccountId}"}}
            assert statement["Action"] == "sns:Publish"
        services = {statement["Principal"]["Service"] for statement in allowed}
        own = topic.stack == "foundation"  # results and runs are told of by roles whose own policies allow it
        assert services == ({"cloudwatch.amazonaws.com", "budgets.amazonaws.com"} if own else set())


def test_what_is_stored_is_encrypted_with_the_key(every: Templates) -> None:
    for group in every.resources("Logs::LogGroup"):
        assert KEY.match(group.properties["KmsKeyId"])
        assert group.properties["RetentionInDays"] in (90, 14, 365)
    for repository in every.resources("ECR::Repository"):
        assert repository.properties["EncryptionConfiguration"]["EncryptionType"] == "KMS"
        assert KEY.match(repository.properties["EncryptionConfiguration"]["KmsKey"])
        assert repository.properties["ImageScanningConfiguration"] == {"ScanOnPush": True}
        assert repository.properties["ImageTagMutability"] == "IMMUTABLE"
    for project in every.resources("CodeBuild::Project"):
        assert KEY.match(project.properties["EncryptionKey"])
    for topic in every.resources("SNS::Topic"):
        assert KEY.match(topic.properties["KmsMasterKeyId"])
    for config in every.resources("SageMaker::EndpointConfig"):
        capture, asynchronous = (config.properties.get(f"{part}Config") for part in ("DataCapture", "AsyncInference"))
        for part in (capture, asynchronous and asynchronous["OutputConfig"]):
            assert part is None or KEY.match(part["KmsKeyId"])


def test_containers_are_isolated(every: Templates) -> None:
    for model in every.resources("SageMaker::Model"):
        assert model.properties["EnableNetworkIsolation"] is True
    for config in every.resources("SageMaker::EndpointConfig"):
        if every.resources("SageMaker::InferenceComponent"):
            assert config.properties["EnableNetworkIsolation"] is True
        for variant in config.properties["ProductionVariants"]:
            assert "EnableSSMAccess" not in variant
            assert "CoreDumpConfig" not in variant


@pytest.mark.parametrize("name", ["vpc-create", "variants", "component", "production.toml"])
def test_the_model_is_in_the_network_that_is_asked_for(name: str) -> None:
    templates = case(name)
    vpc = templates.one("SageMaker::Model")["VpcConfig"]
    if name in ("variants", "component"):
        assert vpc == {
            "Subnets": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
            "SecurityGroupIds": ["sg-0123456789abcdef0"],
        }
        assert not [each for each in templates.resources() if each.type.startswith("AWS::EC2::")]
    else:
        assert vpc["Subnets"] == [f"${{{subnet.name}}}" for subnet in templates.resources("EC2::Subnet")]
        (group,) = vpc["SecurityGroupIds"]
        assert group.startswith("${NetworkMachines")
    if name == "component":
        assert templates.one("SageMaker::EndpointConfig")["VpcConfig"] == vpc


def test_without_a_network_there_is_none() -> None:
    templates = case("default")
    assert "VpcConfig" not in templates.one("SageMaker::Model")
    assert "ec2:" not in json.dumps(templates.endpoint)


def test_a_new_network_has_no_way_out_and_keeps_record(every: Templates) -> None:
    watched = {(each.stack, each.properties["ResourceId"]) for each in every.resources("EC2::FlowLog")}
    assert watched == {(vpc.stack, f"${{{vpc.name}}}") for vpc in every.resources("EC2::VPC")}
    for flow in every.resources("EC2::FlowLog"):
        assert flow.properties["TrafficType"] == "ALL"
    for subnet in every.resources("EC2::Subnet"):
        assert subnet.properties["MapPublicIpOnLaunch"] is False
    for group in every.resources("EC2::SecurityGroup"):
        for rule in group.properties.get("SecurityGroupIngress", []):
            assert rule["CidrIp"].startswith("10.")
            assert (rule["FromPort"], rule["ToPort"]) == (443, 443)
    for endpoint in every.resources("EC2::VPCEndpoint"):
        assert "*" not in [endpoint.properties["PolicyDocument"]["Statement"][0]["Resource"]]


def test_logs_of_runs_have_no_data_in_them(every: Templates) -> None:
    for machine in every.resources("StepFunctions::StateMachine"):
        logging = machine.properties["LoggingConfiguration"]
        assert (logging["Level"], logging["IncludeExecutionData"]) == ("ALL", False)


def test_who_starts_runs_by_itself_may_do_nothing_else(every: Templates) -> None:
    machines = [f"${{{each.name}.Arn}}" for each in every.resources("StepFunctions::StateMachine")]
    targets = [target for rule in every.resources("Events::Rule") for target in rule.properties["Targets"]]
    targets += [schedule.properties["Target"] for schedule in every.resources("Scheduler::Schedule")]
    roles = {f"${{{each.name}.Arn}}": each for each in every.resources("IAM::Role")}
    for target in targets:
        assert [target["Arn"]] == machines
        (policy,) = roles[target["RoleArn"]].properties["Policies"]
        (statement,) = policy["PolicyDocument"]["Statement"]
        assert (statement["Action"], [statement["Resource"]]) == ("states:StartExecution", machines)


def test_everything_is_tagged(every: Templates) -> None:
    for resource in every.resources():
        if resource.type.removeprefix("AWS::") not in UNTAGGED:
            properties = resource.raw["Properties"]
            given = properties["ResourceTags" if resource.type == "AWS::Budgets::Budget" else "Tags"]
            tags = {tag["Key"]: tag["Value"] for tag in plain(given)}
            assert {"project", "deployment"} <= tags.keys()


def rights_of_the_page() -> dict[tuple[str, str], dict[str, tuple[set[str], str]]]:
    """Return docs/security.md's tables: by stack and trusted service, actions and resource of each statement."""
    text = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    found: dict[tuple[str, str], dict[str, tuple[set[str], str]]] = {}
    for part in re.split(r"(?m)^(?=In `NAME-)", text)[1:]:
        said = part[: part.index(", taken by")]
        service = re.search(r"taken by `([\w.-]+)`", part)
        assert service is not None
        table = part.partition("\n| statement |")[2].partition("\n\n")[0]
        rows = {}
        for line in table.splitlines()[2:]:
            sid, actions, on, why = line.strip("| ").split(" | ")
            assert why
            rows[sid.strip("`")] = set(re.findall(r"`([^`]+)`", actions)), on
        for stack in re.findall(r"`NAME-(\w+)`", said):
            assert (stack, service[1]) not in found
            found[stack, service[1]] = rows
    return found


def test_the_page_has_every_right_of_every_role_and_no_other() -> None:
    given: dict[tuple[str, str], dict[str, list[dict[str, Any]]]] = {}
    for name in (*CASES, *EXAMPLE_NAMES):
        templates = case(name)
        policies = templates.resources("IAM::Policy")
        for role in templates.resources("IAM::Role"):
            service = role.properties["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"]
            rows = given.setdefault((role.stack, service), {})
            attached = [
                each.properties
                for each in policies
                if each.stack == role.stack and f"${{{role.name}}}" in each.properties["Roles"]
            ]
            for document in documents([role.properties.get("Policies", []), attached]):
                for statement in document["Statement"]:
                    assert statement["Effect"] == "Allow"
                    rows.setdefault(statement.get("Sid", "none").rstrip("0123456789"), []).append(statement)
    page = rights_of_the_page()
    assert page.keys() == given.keys()
    for role, rows in given.items():
        assert page[role].keys() == rows.keys(), role
        for sid, made in rows.items():
            actions, on = page[role][sid]
            assert actions == {action for each in made for action in as_list(each["Action"])}, (role, sid)
            assert ("`*`" in on) == any(each["Resource"] == "*" for each in made), (role, sid)
            conditions = {key for each in made for test in each.get("Condition", {}).values() for key in test}
            assert all(f"`{key}`" in on for key in conditions), (role, sid)
            assert (", where " in on) == bool(conditions), (role, sid)


def test_the_page_names_every_statement_of_a_resource() -> None:
    text = (ROOT / "docs/security.md").read_text(encoding="utf-8").partition("### Policies of resources")[2]
    table = text.partition("\n\n**")[0]
    sids = {
        statement["Sid"]
        for name in CASES
        for resource, statement in statements(case(name))
        if not resource.type.startswith("AWS::IAM::") and "Sid" in statement
    }
    assert set(re.findall(r"`([A-Z]\w+)`", table)) == sids


def test_what_the_drawing_shows_in_a_stack_can_stand_there() -> None:
    found: dict[str, set[str]] = {}
    for name in CASES:
        for resource in case(name).resources():
            found.setdefault(resource.stack, set()).add(resource.type)
    drawing = ElementTree.parse(ROOT / "docs/assets/architecture.svg")
    shown: dict[str, set[str]] = {}
    stack = ""
    for element in drawing.iter("{http://www.w3.org/2000/svg}text"):
        about = element.get("data-about", "")
        if element.get("class") == "name stack":
            stack = about
        elif about.startswith("AWS::"):
            shown.setdefault(stack, set()).add(about)
    assert shown.keys() == found.keys()
    assert all(shown[stack] <= found[stack] for stack in shown)


def test_settings_that_the_page_names_are_there() -> None:
    text = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    reference = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(batch|endpoint|image|model|network|operations|scaling)\.(\w+)[` ]", text))
    assert len(named) > 10
    for section, field in named:
        heading = "endpoint.variants.scaling" if section == "scaling" else section
        listed = reference.partition(f"## `[{heading}]`")[2].partition("\n## ")[0]
        assert re.search(rf"^\| \[?`{field}`", listed, re.MULTILINE), (section, field)
