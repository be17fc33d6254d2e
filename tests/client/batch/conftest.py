"""A batch client over a deployment in this process, and one over transform jobs alone."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.batch_aws import MACHINE, BatchAccess
from tests.support.batch_deployment import BUCKET, Batch, standing_bucket

from jina_v3_batch.store import Store
from jina_v3_client.batch import BatchClient


@pytest.fixture(scope="module")
def service() -> Iterator[Any]:
    with standing_bucket() as client:
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
