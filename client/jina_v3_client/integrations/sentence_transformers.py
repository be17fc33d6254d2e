"""What code written for sentence-transformers calls, answered by an endpoint; the library need not be installed.

``from sentence_transformers import SentenceTransformer`` becomes ``from
jina_v3_client.integrations.sentence_transformers import SentenceTransformer``, and the model's name the endpoint's.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

from jina_v3.contract import MODEL_DIMENSIONS, PROMPTS, Limits, Task
from jina_v3_client.errors import ConfigurationError
from jina_v3_client.integrations._clients import Clients, Source
from jina_v3_client.parameters import Parameters, TaskName, VectorForm

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ALIASES: Final = {"query": "retrieval.query", "document": "retrieval.passage", "passage": "retrieval.passage"}
_FORMS: Final[dict[str | None, VectorForm]] = {
    None: "float",
    "float32": "float",
    "binary": "binary",
    "ubinary": "ubinary",
}


class SentenceTransformer:
    """Encodes as sentence-transformers does, by a client, an endpoint's name or ARN, a target or a policy.

    ``task`` and ``prompt_name`` name one of the model's tasks, or ``query`` and ``document``; a task always comes with
    its adapter and its prompt, which the server adds. ``default_task`` is for calls that name none; ``None`` is the
    base weights. Vectors have length 1, cut ones too; ``batch_size`` and ``device`` change nothing, since the client
    cuts texts into requests by itself. ``truncate`` cuts texts that are too long, as sentence-transformers does.

    **Raises**: ``ConfigurationError``, ``InvalidInputError``.

    >>> model = SentenceTransformer(client, truncate_dim=256)
    >>> query = model.encode_query("Where does the sun rise?")
    >>> model.similarity(query, model.encode_document(["In the east.", "In the fridge."])).shape
    (1, 2)
    """

    similarity_fn_name: Final = "cosine"
    max_seq_length: Final = Limits().max_tokens_per_text
    prompts: Final = {str(task): prompt for task, prompt in PROMPTS.items()}

    def __init__(
        self,
        model_name_or_path: Source,
        *,
        default_task: Task | TaskName | None = None,
        truncate_dim: int | None = None,
        truncate: bool = True,
        region: str | None = None,
        profile: str | None = None,
    ) -> None:
        self._default = Parameters(task=default_task, dimensions=_dimensions(truncate_dim), truncate=truncate)
        self._clients = Clients(model_name_or_path, None, region, profile)
        self.truncate_dim = truncate_dim

    def encode(
        self,
        inputs: Sequence[str] | str,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        output_value: Literal["sentence_embedding"] = "sentence_embedding",
        precision: Literal["float32", "binary", "ubinary"] | None = "float32",
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: object = None,  # noqa: ARG002  # the server's
        normalize_embeddings: bool = False,  # noqa: ARG002  # they are
        truncate_dim: int | None = None,
        *,
        task: str | None = None,
    ) -> Any:
        """Encode texts, in order; one text by itself gives one vector.

        **Shapes**: (texts, dimensions) float32, or (dimensions,) of one text; binary forms have ``dimensions / 8``
        columns. A numpy array, a torch tensor with ``convert_to_tensor``, or a list of tensors with neither.

        >>> SentenceTransformer(client).encode(["sunrise", "sunset"], task="text-matching").shape
        (2, 1024)
        """
        if batch_size <= 0:
            raise ConfigurationError(f"batch_size is {batch_size}; it must be at least 1 (and changes nothing here)")
        if output_value != "sentence_embedding":
            raise ConfigurationError(f"output_value is {output_value!r}; an endpoint gives 'sentence_embedding' alone")
        if precision not in _FORMS:
            raise ConfigurationError(
                f"precision is {precision!r}; allowed are float32, binary and ubinary",
                advice="an endpoint's int8 comes with scales: EmbeddingClient.embed(texts, embedding_type='int8')",
            )
        parameters = Parameters(
            task=self._task(task, prompt_name, prompt),  # type: ignore[arg-type]  # checked in there
            dimensions=_dimensions(self.truncate_dim if truncate_dim is None else truncate_dim),
            truncate=self._default.truncate,
            form=_FORMS[precision],
        )
        texts = [inputs] if isinstance(inputs, str) else list(inputs)
        vectors: Any = self._vectors(texts, parameters, show_progress_bar)
        if convert_to_tensor or not convert_to_numpy:
            vectors = _torch().from_numpy(vectors)
            vectors = vectors if convert_to_tensor else list(vectors)
        return vectors[0] if isinstance(inputs, str) else vectors

    def encode_query(self, inputs: Sequence[str] | str, **options: Any) -> Any:
        """Encode queries: ``retrieval.query``. ``options`` are those of ``encode``.

        >>> SentenceTransformer(client).encode_query("Where does the sun rise?").shape
        (1024,)
        """
        return self.encode(inputs, **{"task": "query", **options})

    def encode_document(self, inputs: Sequence[str] | str, **options: Any) -> Any:
        """Encode documents: ``retrieval.passage``. ``options`` are those of ``encode``.

        >>> SentenceTransformer(client).encode_document(["In the east."]).shape
        (1, 1024)
        """
        return self.encode(inputs, **{"task": "document", **options})

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Return the cosine of each of the one with each of the other: a tensor if either is one, else an array.

        **Shapes**: (first, second) float32.

        >>> import numpy as np
        >>> SentenceTransformer(client).similarity(np.eye(2), np.eye(2)).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
        """
        return _like(_directions(embeddings1) @ _directions(embeddings2).T, embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Return the cosine of each of the one with its fellow in the other. **Shapes**: (pairs,) float32.

        >>> import numpy as np
        >>> SentenceTransformer(client).similarity_pairwise(np.eye(2), np.eye(2)).tolist()
        [1.0, 1.0]
        """
        return _like((_directions(embeddings1) * _directions(embeddings2)).sum(axis=1), embeddings1, embeddings2)

    def get_embedding_dimension(self) -> int:
        """Return how many dimensions the vectors of ``encode`` have.

        >>> SentenceTransformer(client, truncate_dim=256).get_embedding_dimension()
        256
        """
        return _dimensions(self.truncate_dim)

    get_sentence_embedding_dimension = get_embedding_dimension

    def get_max_seq_length(self) -> int:
        """Return how many tokens of a text are read.

        >>> SentenceTransformer(client).get_max_seq_length()
        8192
        """
        return self.max_seq_length

    @contextmanager
    def truncate_embeddings(self, truncate_dim: int | None) -> Iterator[None]:
        """Encode to fewer dimensions within a context.

        >>> model = SentenceTransformer(client)
        >>> with model.truncate_embeddings(32):
        ...     model.encode("sunrise").shape
        (32,)
        """
        before, self.truncate_dim = self.truncate_dim, truncate_dim
        try:
            yield
        finally:
            self.truncate_dim = before

    truncate_sentence_embeddings = truncate_embeddings

    def close(self) -> None:
        """Close the client that was made of a name; one that was given stays open.

        >>> SentenceTransformer("texts", region="eu-west-1").close()
        """
        self._clients.close()

    def _vectors(self, texts: list[str], parameters: Parameters, progress: bool | None) -> NDArray[Any]:
        import numpy as np

        if not texts:
            return np.array([], np.float32)  # as sentence-transformers has it
        return self._clients.embed(texts, parameters, progress=progress).vectors

    def _task(self, task: str | None, prompt_name: str | None, prompt: str | None) -> str | None:
        """Read what names the task; a prompt that is not the task's own cannot be had."""
        names = [_ALIASES.get(name, name) for name in (task, prompt_name) if name is not None]
        if len(set(names)) > 1:
            raise ConfigurationError(f"task is {task!r} and prompt_name is {prompt_name!r}; name one task")
        if names:
            found: str | None = names[0]
        else:
            found = next((name for name, own in self.prompts.items() if own and own == prompt), self._default.task)
        if prompt and prompt != self.prompts.get(found or ""):
            raise ConfigurationError(
                f"prompt is {prompt!r}, which is none of the model's; leave it out, the server puts the task's own "
                "before each text"
            )
        return found


def _dimensions(truncate_dim: int | None) -> int:
    return MODEL_DIMENSIONS if truncate_dim is None else min(truncate_dim, MODEL_DIMENSIONS)


def _directions(embeddings: Any) -> NDArray[Any]:
    """Return vectors of length 1 as rows, whatever they came as; zeros stay zeros."""
    import numpy as np

    rows = [embeddings] if hasattr(embeddings, "ndim") else embeddings
    array = np.concatenate([np.atleast_2d(np.asarray(_on_cpu(row), np.float32)) for row in rows])
    directions: NDArray[Any] = array / np.maximum(np.linalg.norm(array, axis=1, keepdims=True), np.float32(1e-12))
    return directions


def _on_cpu(array: Any) -> Any:
    return array.detach().cpu().float().numpy() if hasattr(array, "detach") else array


def _like(array: NDArray[Any], *given: Any) -> Any:
    tensors = any(hasattr(one, "detach") or (isinstance(one, list) and hasattr(one[0], "detach")) for one in given)
    return _torch().from_numpy(array) if tensors else array


def _torch() -> Any:
    """Import torch for callers who have it; this package does not depend on it."""
    try:
        return importlib.import_module("torch")
    except ModuleNotFoundError as error:
        raise ConfigurationError("tensors are asked for, and torch is not installed; take numpy arrays") from error
