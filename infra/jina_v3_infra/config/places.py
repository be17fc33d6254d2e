"""Where SageMaker is: the regions and partitions that botocore knows of."""

from __future__ import annotations

from functools import cache

import boto3

_PARTITIONS = ("aws", "aws-us-gov", "aws-cn")


@cache
def sagemaker_regions() -> dict[str, str]:
    """Return the partition of each region that has SageMaker."""
    session = boto3.session.Session()
    return {
        region: partition
        for partition in _PARTITIONS
        for region in session.get_available_regions("sagemaker", partition)
    }
