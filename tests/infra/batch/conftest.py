"""A deployment's buckets in this process, empty for each test."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from tests.support.batch_deployment import BUCKET, Batch

from jina_v3_batch.places import Place
from jina_v3_batch.store import Store


@pytest.fixture(scope="module")
def service() -> Iterator[Any]:
    """One moto a module: to begin it anew takes longer than most tests."""
    with mock_aws():
        client = boto3.client(
            "s3", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing"
        )
        client.create_bucket(Bucket=BUCKET)
        yield client


@pytest.fixture
def s3(service: Any) -> Any:
    """An empty bucket."""
    store = Store(service)
    store.delete(BUCKET, [item.key for item in store.list(Place(BUCKET, ""))])
    return service


@pytest.fixture
def batch(s3: Any) -> Batch:
    return Batch(s3)
