"""jina-sagemaker's ``Client``, over this package: its ``embed`` calls need one changed import.

``from jina_sagemaker import Client, Task`` becomes ``from jina_v3_client.integrations.jina_sagemaker import Client,
Task``. Calls take the same arguments and return the same lists; what only other models can do, and what belongs to the
deployment, is refused in words. ``docs/from-jina-sagemaker.md`` has the table.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, NoReturn, Self, cast

from jina_v3.contract import MODEL_DIMENSIONS, MODEL_NAME
from jina_v3.contract import Task as ModelTask
from jina_v3_client.errors import ConfigurationError, InvalidInputError
from jina_v3_client.parameters import Parameters
from jina_v3_client.protocols import Embedder

if TYPE_CHECKING:
    import boto3

_SESSION = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_account_id", "region_name")
_INSTEAD = {
    "create_endpoint": "deploy by `jina-v3-infra deploy` (docs/deploy.md)",
    "create_async_endpoint": "deploy an asynchronous endpoint by `jina-v3-infra deploy` (docs/deploy.md), and embed "
    'with EmbeddingClient(…, asynchronous=…).embed(texts, route="asynchronous")',
    "create_transform_job": "submit the file by EmbeddingClient.from_deployment(NAME).batch.submit(path), or "
    "`jina-v3 batch submit`",
    "register_scalable_target": "scaling is part of the deployment's configuration (docs/configuration.md)",
    "set_step_autoscaling": "scaling is part of the deployment's configuration (docs/configuration.md)",
    "set_metric_alarm": "alarms are part of the deployment's configuration (docs/configuration.md)",
    "delete_endpoint": "take the deployment away by `jina-v3-infra destroy`, or delete the endpoint by boto3",
    "rerank": f"{MODEL_NAME} embeds; rank by the cosine of queries and passages (jina_v3_client.similarity)",
    "read": f"{MODEL_NAME} embeds and writes no text; keep jina-sagemaker for ReaderLM",
    "read_async": f"{MODEL_NAME} embeds and writes no text; keep jina-sagemaker for ReaderLM",
}


class Task(Enum):
    """jina-sagemaker's names of tasks; its ``CLUSTERING`` is this model's ``separation``.

    >>> Task.CLUSTERING.value
    'clustering'
    """

    RETRIEVAL_QUERY = "retrieval.query"
    RETRIEVAL_PASSAGE = "retrieval.passage"
    TEXT_MATCHING = "text-matching"
    CLASSIFICATION = "classification"
    CLUSTERING = "clustering"
    SEPARATION = "separation"


class InputType(Enum):
    """What jina-sagemaker gives ColBERT; without effect here.

    >>> InputType.QUERY.value
    'query'
    """

    DOCUMENT = "document"
    QUERY = "query"


class Client:
    """Embeds as jina-sagemaker's client does.

    ``region_name`` and ``client_args`` are as there: of the latter, credentials and ``region_name`` are understood.
    ``client`` is any client of this package, used instead of one made by ``connect_to_endpoint``.

    **Raises**: ``ConfigurationError``.

    >>> jina = Client(client=client)
    >>> [first] = jina.embed(texts="sunrise", task_type=Task.TEXT_MATCHING, dimensions=256)
    >>> sorted(first), len(first["embedding"])
    (['embedding', 'id', 'usage'], 256)
    """

    def __init__(
        self,
        region_name: str | None = None,
        client_args: Mapping[str, Any] | None = None,
        *,
        client: Embedder | None = None,
    ) -> None:
        arguments = {**(client_args or {}), **({"region_name": region_name} if region_name else {})}
        unknown = sorted(set(arguments) - set(_SESSION))
        if unknown:
            raise ConfigurationError(
                f"client_args has {', '.join(unknown)}; understood are {', '.join(_SESSION)}. An address is said by "
                "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME, time-outs and retries by EmbeddingClient's settings"
            )
        self._session_arguments = arguments
        self._client = client
        self._made: Embedder | None = None

    def connect_to_endpoint(self, endpoint_name: str, arn: str | None = None, *, model: str | None = None) -> None:
        """Embed by this endpoint from now on.

        ``arn``, a model package's, is not needed, since there is one model here; ``model`` must be that one. Nothing is
        asked of AWS: an endpoint that is not there shows at the first ``embed``.

        **Raises**: ``ConfigurationError``.

        >>> Client(region_name="eu-west-1").connect_to_endpoint("texts")
        """
        from jina_v3_client import EmbeddingClient

        if model not in (None, MODEL_NAME):
            raise ConfigurationError(
                f"model is {model!r}; it must be {MODEL_NAME!r} or left out. Arn {arn!r} is unread"
            )
        self.close()
        self._made = self._client = EmbeddingClient(endpoint_name, session=self._session())

    def embed(
        self,
        texts: str | list[str] | None = None,
        image_urls: object = None,
        image_bytes: object = None,
        pdf_url: object = None,
        use_colbert: bool | None = False,
        input_type: object = InputType.DOCUMENT,  # noqa: ARG002  # ColBERT's; ignored there too without use_colbert
        task_type: Enum | str | None = None,
        dimensions: int | None = None,
        late_chunking: bool | None = False,
        return_multivector: bool | None = False,
        audio_urls: object = None,
        video_urls: object = None,
    ) -> list[dict[str, Any]]:
        """Embed texts; each item has ``id``, ``embedding`` and ``usage`` with ``total_tokens``.

        ``task_type`` is ``text-matching`` if none is given, as in jina-sagemaker. Any number of texts is cut into
        requests; with ``late_chunking`` they are the chunks of one document.

        **Raises**: ``ConfigurationError`` for what is not texts; ``InvalidInputError``, and all of ``errors``.

        >>> items = Client(client=client).embed(texts=["sunrise", "sunset"])
        >>> [item["usage"]["total_tokens"] > 0 for item in items]
        [True, True]
        """
        media = {"image_urls": image_urls, "image_bytes": image_bytes, "pdf_url": pdf_url}
        media |= {"audio_urls": audio_urls, "video_urls": video_urls, "use_colbert": use_colbert}
        for name, value in (media | {"return_multivector": return_multivector}).items():
            if value:
                raise ConfigurationError(f"{name} is given; {MODEL_NAME} embeds texts, each into one vector")
        if not texts:
            raise InvalidInputError("texts is empty; give a text or a list of texts", code="empty_input", field="texts")
        parameters = Parameters(
            task=_task(task_type),
            dimensions=MODEL_DIMENSIONS if dimensions is None else dimensions,
            late_chunking=bool(late_chunking),
        )
        embeddings = self._connected().embed(
            [texts] if isinstance(texts, str) else texts,
            task=parameters.task,
            dimensions=parameters.dimensions,
            late_chunking=parameters.late_chunking,
        )
        return [
            {"id": name, "embedding": vector, "usage": {"id": name, "total_tokens": int(tokens)}}
            for vector, tokens in zip(embeddings.tolist(), embeddings.token_counts, strict=True)
            for name in [uuid.uuid4().hex]
        ]

    def close(self) -> None:
        """Close the client that ``connect_to_endpoint`` made.

        >>> Client(region_name="eu-west-1").close()
        """
        if self._made is not None:
            self._made.close()
            self._made = self._client = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        """Refuse jina-sagemaker's other methods, and say what to do instead."""
        if name not in _INSTEAD:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

        def refuse(*_: object, **__: object) -> NoReturn:
            raise ConfigurationError(f"{name} is not here", advice=_INSTEAD[name])

        return refuse

    def _connected(self) -> Embedder:
        if self._client is None:
            raise ConfigurationError("no endpoint is connected; call connect_to_endpoint(endpoint_name) first")
        return self._client

    def _session(self) -> boto3.Session:
        import boto3

        return boto3.Session(**self._session_arguments)


def _task(value: Enum | str | None) -> ModelTask:
    name = value.value if isinstance(value, Enum) else value
    if name is None:
        return ModelTask.TEXT_MATCHING
    return cast(ModelTask, Parameters(task="separation" if name == "clustering" else name).task)  # type: ignore[arg-type]
