"""An endpoint as a model of mteb, so that what is deployed is what is evaluated. Extra: ``mteb``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from jina_v3.contract import MODEL_DIMENSIONS, MODEL_NAME, Task
from jina_v3_client.errors import ConfigurationError
from jina_v3_client.integrations._clients import Clients, Source
from jina_v3_client.integrations._extras import brought_by
from jina_v3_client.parameters import Parameters, TaskName

with brought_by("mteb"):
    import mteb
    from mteb.models.abs_encoder import AbsEncoder
    from mteb.types import PromptType

if TYPE_CHECKING:
    from mteb.abstasks.task_metadata import TaskMetadata
    from numpy.typing import NDArray

ROUTES: Final[Mapping[str, Task]] = {
    "Retrieval-query": Task.RETRIEVAL_QUERY,
    "Retrieval-document": Task.RETRIEVAL_PASSAGE,
    "InstructionRetrieval-query": Task.RETRIEVAL_QUERY,
    "InstructionRetrieval-document": Task.RETRIEVAL_PASSAGE,
    "Reranking": Task.SEPARATION,
    "InstructionReranking": Task.SEPARATION,
    "Clustering": Task.SEPARATION,
    "Classification": Task.CLASSIFICATION,
    "MultilabelClassification": Task.CLASSIFICATION,
    "PairClassification": Task.CLASSIFICATION,
    "Regression": Task.CLASSIFICATION,
    "STS": Task.TEXT_MATCHING,
    "Summarization": Task.TEXT_MATCHING,
    "BitextMining": Task.TEXT_MATCHING,
}
"""Which adapter embeds what, by a task's type and the kind of prompt. **Source**: arXiv 2409.10173, section 6."""

SYMMETRIC: Final = ("ArguAna", "CQADupstack", "QuoraRetrieval")
"""Tasks, by how their names begin, that look for what says the same rather than what answers: ``text-matching``."""


class JinaV3Encoder(AbsEncoder):
    """The endpoint in the place of a model: ``mteb.evaluate(JinaV3Encoder("my-endpoint"), tasks)``.

    ``client`` is any client, an endpoint's name or ARN, a target or a policy. ``routes`` come before ``SYMMETRIC`` and
    ``ROUTES``: a task's name or type, with ``-query`` or ``-document`` behind it or without. Texts that are too long
    are cut, as for the published figures. mteb keeps results by ``name`` and ``revision``: give another ``revision``
    to what is deployed differently.

    **Raises**: ``ConfigurationError``, ``InvalidInputError``.

    >>> JinaV3Encoder(client, revision="bf16-g5").mteb_model_meta.name
    'sagemaker/jina-embeddings-v3'
    """

    def __init__(
        self,
        client: Source,
        *,
        dimensions: int = MODEL_DIMENSIONS,
        routes: Mapping[str, Task | TaskName | None] | None = None,
        name: str = f"sagemaker/{MODEL_NAME}",
        revision: str | None = None,
        region: str | None = None,
        profile: str | None = None,
    ) -> None:
        self._said = Parameters(dimensions=dimensions, truncate=True)
        self._routes = {key: _checked(task) for key, task in (routes or {}).items()}
        self._clients = Clients(client, None, region, profile)
        self.mteb_model_meta = mteb.get_model_meta("jinaai/jina-embeddings-v3").model_copy(
            update={
                "loader": None,
                "loader_kwargs": {},
                "name": name,
                "revision": revision,
                "embed_dim": dimensions,
                "framework": ["API"],
                "extra_requirements_groups": None,
                "experiment_kwargs": None if dimensions == MODEL_DIMENSIONS else {"dimensions": dimensions},
            }
        )

    def route(self, task_metadata: TaskMetadata, prompt_type: PromptType | None) -> Task | None:
        """Return the model's task for a task of mteb. **Raises**: ``ConfigurationError`` if none fits.

        >>> import mteb
        >>> str(JinaV3Encoder(client).route(mteb.get_task("STS12").metadata, None))
        'text-matching'
        """
        name, whole = task_metadata.name, str(task_metadata.type)
        kind = "" if prompt_type is None else f"-{prompt_type.value}"
        keys = (f"{name}{kind}", name, f"{whole}{kind}", whole)
        for key in keys:
            if key in self._routes:
                return self._routes[key]
        if name.startswith(SYMMETRIC):
            return Task.TEXT_MATCHING
        for key in keys:
            if key in ROUTES:
                return ROUTES[key]
        raise ConfigurationError(
            f"mteb's task {name} is of type {whole}, which has no route; give routes={{{whole!r}: TASK}}"
        )

    def encode(
        self,
        inputs: Iterable[Mapping[str, Any]],
        *,
        task_metadata: TaskMetadata,
        hf_split: str,  # noqa: ARG002  # the interface's
        hf_subset: str,  # noqa: ARG002
        prompt_type: PromptType | None = None,
        show_progress_bar: bool | None = None,
        **_: Any,
    ) -> NDArray[Any]:
        """Embed the texts of mteb's batches. **Shapes**: (texts, dimensions) float32.

        >>> import mteb
        >>> metadata = mteb.get_task("STS12").metadata
        >>> batches = [{"text": ["sunrise", "sunset"]}, {"text": ["noon"]}]
        >>> JinaV3Encoder(client).encode(batches, task_metadata=metadata, hf_split="test", hf_subset="default").shape
        (3, 1024)
        """
        parameters = replace(self._said, task=self.route(task_metadata, prompt_type))
        texts = (text if text.strip() else _NOTHING for batch in inputs for text in batch["text"])
        return self._clients.embed(texts, parameters, progress=show_progress_bar).vectors

    def close(self) -> None:
        """Close the client that was made of a name; one that was given stays open.

        >>> JinaV3Encoder("texts", region="eu-west-1").close()
        """
        self._clients.close()


def _checked(task: Task | TaskName | None) -> Task | None:
    return None if task is None else Task(Parameters(task=task).task or task)


_NOTHING: Final = "."
"""In the place of empty texts, which some of mteb's data sets have and the endpoint refuses."""
