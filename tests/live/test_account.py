"""What the account, and its services beside SageMaker, say of the deployment."""

import pytest
from botocore.exceptions import ClientError
from tests.support.live import Live, until

from jina_v3_infra.deploy.check_instances import read_quotas
from jina_v3_infra.deploy.needs import all_needs, instance_needs
from jina_v3_infra.deploy.prices import read_prices
from jina_v3_infra.log_groups import endpoint_log_group
from jina_v3_infra.release import MODELS

pytestmark = pytest.mark.aws


def test_quotas_are_enough(live: Live) -> None:
    needs = all_needs(live.deployment)
    quotas = read_quotas(live.account, {need.quota for need in needs})
    missing = {
        need.quota: need.most for need in needs if need.quota not in quotas or quotas[need.quota].count < need.most
    }
    assert not missing, f"more than the account may have: {missing}; it may have {quotas}"


def test_region_sells_the_machines(live: Live) -> None:
    names = {need.instance_type for need in instance_needs(live.deployment)}
    prices = read_prices(live.account, names)
    assert prices.failure is None
    assert prices.listed.keys() == names


def test_image_is_built_and_scanned(deployed: Live) -> None:
    uri = deployed.model()["PrimaryContainer"]["Image"]
    foundation = deployed.foundation
    if foundation.repository_uri is None:
        pytest.skip("the configuration names an image that exists")
    assert uri.startswith(foundation.repository_uri)
    repository, tag = uri.partition("/")[2].rsplit(":", 1)
    ecr, named = deployed.client("ecr"), {"repositoryName": repository, "imageIds": [{"imageTag": tag}]}
    (image,) = ecr.describe_images(**named)["imageDetails"]
    # SageMaker takes neither an index of manifests nor OCI's media types
    assert image["imageManifestMediaType"] == "application/vnd.docker.distribution.manifest.v2+json"

    def scanned() -> bool:
        (now,) = ecr.describe_images(**named)["imageDetails"]
        status = now.get("imageScanStatus", {}).get("status", "")
        assert status != "FAILED", now
        return status == "COMPLETE"

    until("the scan of the image", scanned, limit_s=900)
    (image,) = ecr.describe_images(**named)["imageDetails"]
    counts = image["imageScanFindingsSummary"].get("findingSeverityCounts", {})
    assert not counts.get("CRITICAL"), f"the scan found {counts}; ecr describe-image-scan-findings lists them"


def test_trust_lets_sagemaker_alone_have_the_execution_role(deployed: Live) -> None:
    role = deployed.model()["ExecutionRoleArn"]
    with pytest.raises(ClientError) as refused:
        deployed.client("sts").assume_role(RoleArn=role, RoleSessionName="verify-live")
    assert refused.value.response["Error"]["Code"] == "AccessDenied"


def test_execution_role_is_allowed_what_hosting_needs_and_no_more(deployed: Live) -> None:
    role, bucket = deployed.model()["ExecutionRoleArn"], f"arn:aws:s3:::{deployed.foundation.bucket}"
    iam = deployed.client("iam")

    def decide(action: str, resource: str) -> str:
        answer = iam.simulate_principal_policy(PolicySourceArn=role, ActionNames=[action], ResourceArns=[resource])
        return str(answer["EvaluationResults"][0]["EvalDecision"])

    if not deployed.deployment.model.source.startswith("s3://"):
        data = deployed.model()["PrimaryContainer"]["ModelDataSource"]["S3DataSource"]["S3Uri"]
        assert decide("s3:GetObject", f"arn:aws:s3:::{data.removeprefix('s3://')}config.json") == "allowed"
    for action, resource in (
        ("s3:GetObject", f"{bucket}/sources/any.zip"),
        ("s3:DeleteObject", f"{bucket}/{MODELS}any"),
        ("s3:GetObject", "arn:aws:s3:::another-bucket/any"),
        ("logs:CreateLogGroup", "*"),
        ("iam:PassRole", role),
    ):
        assert decide(action, resource) == "implicitDeny", f"{action} on {resource}"


def test_artifact_and_log_are_encrypted_with_the_key(deployed: Live) -> None:
    foundation, s3 = deployed.foundation, deployed.client("s3")
    listed = s3.list_objects_v2(Bucket=foundation.bucket, Prefix=MODELS).get("Contents", [])
    if not listed:
        pytest.skip("the configuration names a model that is in S3 already")
    smallest = min((one for one in listed if one["Size"]), key=lambda one: one["Size"])
    got = s3.get_object(Bucket=foundation.bucket, Key=smallest["Key"])
    assert len(got["Body"].read()) == smallest["Size"]
    assert (got["ServerSideEncryption"], got["SSEKMSKeyId"]) == ("aws:kms", foundation.key_arn)
    group = endpoint_log_group(deployed.deployment)
    (found,) = [
        one
        for one in deployed.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        if one["logGroupName"] == group
    ]
    assert found["kmsKeyId"] == foundation.key_arn
    key = deployed.client("kms").describe_key(KeyId=foundation.key_arn)["KeyMetadata"]
    assert (key["KeyState"], key["KeyManager"]) == ("Enabled", "CUSTOMER")


def test_endpoint_is_in_the_subnets(deployed: Live) -> None:
    if deployed.deployment.network.vpc is None:
        pytest.skip("the configuration has no VPC")
    place = deployed.model().get("VpcConfig") or deployed.endpoint_config()["VpcConfig"]
    ec2 = deployed.client("ec2")
    filters = [{"Name": "subnet-id", "Values": place["Subnets"]}]
    interfaces = ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"]
    ours = [one for one in interfaces if {group["GroupId"] for group in one["Groups"]} & set(place["SecurityGroupIds"])]
    assert ours, f"no network interface with {place['SecurityGroupIds']} in {place['Subnets']}"
    if deployed.deployment.network.vpc == "create":
        (vpc,) = {one["VpcId"] for one in ours}
        own = [{"Name": "vpc-id", "Values": [vpc]}]
        assert {one["State"] for one in ec2.describe_vpc_endpoints(Filters=own)["VpcEndpoints"]} == {"available"}
        inside = [{"Name": "attachment.vpc-id", "Values": [vpc]}]
        assert ec2.describe_internet_gateways(Filters=inside)["InternetGateways"] == []  # there is no way out
