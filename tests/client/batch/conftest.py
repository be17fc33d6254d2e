"""A batch client over a deployment in this process, and one over transform jobs alone."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from tests.support.batch_aws import MACHINE, BatchAccess
from tests.support.batch_deployment import BUCKET, Batch

from jina_v3_batch.store import Store
from jina_v3_client.batch import BatchClient


@pytest.fixture(scope="module")
def service() -> Iterator[Any]:
    """One moto for all tests of a file: to begin it anew takes longer than most of them.

    No longer than that: while it stands, the process has moto's credentials, and each service what was made in it.
    """
    with mock_aws():
        client = boto3.client(
            "s3", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing"
        )
        client.create_bucket(Bucket=BUCKET)
        yield client


@pytest.fixture
def batch(service: Any) -> Batch:
    """An empty bucket."""
    batch = Batch(service)
    Store(service).delete(BUCKET, batch.keys(""))
    return batch


@pytest.fixture
def access(service: Any, batch: Batch) -> BatchAccess:
    return BatchAccess(service, batch)


@pytest.fixture
def client(access: BatchAccess) -> BatchClient:
    return BatchClient(state_machine=MACHINE, bucket=BUCKET, access=access)


@pytest.fixture
def jobs(access: BatchAccess) -> BatchClient:
    return BatchClient(model="jina-v3-model", bucket=BUCKET, access=access)
