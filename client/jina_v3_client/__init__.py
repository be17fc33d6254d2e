"""The client SDK of jina-embeddings-v3 on SageMaker: signs, routes, and never loses a text.

Names are imported when they are used: importing the package imports neither numpy nor boto3. It may import
``jina_v3.contract`` and nothing else of the inference side.

>>> from jina_v3_client.testing import InMemoryClient  # an EmbeddingClient that needs no account
>>> client = InMemoryClient(task="retrieval.passage")
>>> client.embed(["The sun rises at six.", "Boats return with fish."])
<Embeddings 2 × 1024 float32, 25 tokens>
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from jina_v3_client._clients.aio import AsyncEmbeddingClient as AsyncEmbeddingClient
    from jina_v3_client._clients.sync import EmbeddingClient as EmbeddingClient
    from jina_v3_client._routes.through_s3 import AsynchronousEndpoint as AsynchronousEndpoint
    from jina_v3_client.batch import BatchClient as BatchClient
    from jina_v3_client.batch import BatchRun as BatchRun
    from jina_v3_client.errors import AccessError as AccessError
    from jina_v3_client.errors import BatchError as BatchError
    from jina_v3_client.errors import ConfigurationError as ConfigurationError
    from jina_v3_client.errors import ConnectionFailedError as ConnectionFailedError
    from jina_v3_client.errors import DeadlineError as DeadlineError
    from jina_v3_client.errors import EndpointNotFoundError as EndpointNotFoundError
    from jina_v3_client.errors import InvalidInputError as InvalidInputError
    from jina_v3_client.errors import JinaClientError as JinaClientError
    from jina_v3_client.errors import ModelError as ModelError
    from jina_v3_client.errors import NotInServiceError as NotInServiceError
    from jina_v3_client.errors import OverloadedError as OverloadedError
    from jina_v3_client.errors import ResponseError as ResponseError
    from jina_v3_client.errors import TooLargeError as TooLargeError
    from jina_v3_client.protocols import AsyncEmbedder as AsyncEmbedder
    from jina_v3_client.protocols import Embedder as Embedder
    from jina_v3_client.results import Embeddings as Embeddings
    from jina_v3_client.results import RouteDecision as RouteDecision
    from jina_v3_client.results import TextEmbedding as TextEmbedding
    from jina_v3_client.results import TextError as TextError
    from jina_v3_client.results import Usage as Usage
    from jina_v3_client.routing import ByTask as ByTask
    from jina_v3_client.routing import Endpoint as Endpoint
    from jina_v3_client.routing import Failover as Failover
    from jina_v3_client.routing import Hedged as Hedged
    from jina_v3_client.routing import InferenceRouter as InferenceRouter
    from jina_v3_client.routing import LeastOutstanding as LeastOutstanding
    from jina_v3_client.routing import Weighted as Weighted
    from jina_v3_client.settings import BreakerSettings as BreakerSettings
    from jina_v3_client.settings import RequestLimits as RequestLimits
    from jina_v3_client.settings import RetrySettings as RetrySettings
    from jina_v3_client.settings import RouteSettings as RouteSettings
    from jina_v3_client.settings import Settings as Settings

_NAMES: Final = {
    "_clients.aio": "AsyncEmbeddingClient",
    "_clients.sync": "EmbeddingClient",
    "_routes.through_s3": "AsynchronousEndpoint",
    "batch": "BatchClient BatchRun",
    "errors": "AccessError BatchError ConfigurationError ConnectionFailedError DeadlineError EndpointNotFoundError "
    "InvalidInputError JinaClientError ModelError NotInServiceError OverloadedError ResponseError TooLargeError",
    "protocols": "AsyncEmbedder Embedder",
    "results": "Embeddings RouteDecision TextEmbedding TextError Usage",
    "routing": "ByTask Endpoint Failover Hedged InferenceRouter LeastOutstanding Weighted",
    "settings": "BreakerSettings RequestLimits RetrySettings RouteSettings Settings",
}
_MODULES: Final = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = sorted(_MODULES)  # what a type checker sees stands above


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
