"""A deployment's buckets in this process, empty for each test."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.batch_deployment import BUCKET, Batch, standing_bucket

from jina_v3_batch.places import Place
from jina_v3_batch.store import Store


@pytest.fixture(scope="module")
def service() -> Iterator[Any]:
    with standing_bucket() as client:
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
