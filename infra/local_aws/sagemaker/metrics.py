"""What the service counts of endpoints and tells CloudWatch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from local_aws.sagemaker.hosting import Hosting

NAMESPACE: Final = "AWS/SageMaker"


def put_metrics(hosting: Hosting, region: str, dimensions: Mapping[str, str], values: Mapping[str, float]) -> None:
    """Put one value of each metric, with the same dimensions."""
    named = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    data = [{"MetricName": name, "Dimensions": named, "Value": float(value)} for name, value in values.items()]
    hosting.client("cloudwatch", region).put_metric_data(Namespace=NAMESPACE, MetricData=data)
