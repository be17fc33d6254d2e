"""Opens what the commands work with: the only place that knows how a client is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jina_v3_client._aws.access import Access
from jina_v3_client._aws.deployment import Deployment
from jina_v3_client.cli.places import Place
from jina_v3_client.errors import ConfigurationError
from jina_v3_client.protocols import Embedder

if TYPE_CHECKING:
    from jina_v3_client.batch import BatchClient

NAME_ONE: Final = (
    "give --endpoint NAME or --deployment NAME, or set JINA_V3_ENDPOINT or JINA_V3_DEPLOYMENT; "
    "jina-v3 endpoints shows what there is"
)

NAME_DEPLOYMENT: Final = "give --deployment NAME, or set JINA_V3_DEPLOYMENT; jina-v3 endpoints shows what there is"


def open_client(place: Place, concurrency: int | None = None) -> Embedder:
    """Return a client of the place, which sends so many requests at the same time.

    **Raises**: ``ConfigurationError`` where none is named; ``EndpointNotFoundError``, ``AccessError`` of a deployment.
    """
    from jina_v3_client import EmbeddingClient, Settings

    settings = None if concurrency is None else Settings(concurrency=concurrency)
    if place.deployment is not None:
        return EmbeddingClient.from_deployment(
            place.deployment, region=place.region, profile=place.profile, settings=settings
        )
    if place.target is None:
        raise ConfigurationError("no endpoint is named", advice=NAME_ONE)
    return EmbeddingClient(place.target, region=place.region, profile=place.profile, settings=settings)


def open_batch(place: Place) -> BatchClient:
    """Return the batch of the place's deployment.

    **Raises**: ``ConfigurationError`` where none is named; ``EndpointNotFoundError``, ``AccessError``.
    """
    from jina_v3_client.batch import BatchClient

    if place.deployment is None:
        raise ConfigurationError("batch runs are a deployment's, and none is named", advice=NAME_DEPLOYMENT)
    return BatchClient.from_deployment(place.deployment, region=place.region, profile=place.profile)


def find_deployment(place: Place) -> Deployment:
    """Return what stands of the place's deployment.

    **Raises**: ``EndpointNotFoundError``, ``AccessError``.
    """
    assert place.deployment is not None
    return Deployment.find(place.deployment, place.region, Access(profile=place.profile, region=place.region))


def open_session(place: Place) -> Any:
    """Return a session of boto3's of the place's profile and region.

    **Raises**: ``ProfileNotFound`` of botocore's.
    """
    import boto3

    return boto3.Session(profile_name=place.profile, region_name=place.aws_region)
