"""What comes back: arrays that know their usage, which texts were cut, and which could not be embedded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from jina_v3.contract import MODEL_NAME

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Route = Literal["real-time", "asynchronous", "batch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a call took.

    **Units**: ``tokens`` as the model counts them, with prompts; ``seconds`` of the caller's clock. ``requests`` were
    answered, after ``attempts`` in all; ``hedges`` of these were sent beside one that was slow.

    >>> usage = client.embed(["sunrise"] * 1000).usage
    >>> usage.tokens, usage.requests, usage.attempts
    (3000, 2, 2)
    """

    tokens: int = 0
    requests: int = 0
    attempts: int = 0
    hedges: int = 0
    seconds: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            tokens=self.tokens + other.tokens,
            requests=self.requests + other.requests,
            attempts=self.attempts + other.attempts,
            hedges=self.hedges + other.hedges,
            seconds=max(self.seconds, other.seconds),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TextError:
    """Why one text has no vector: the contract's code, and the message.

    >>> client.embed(["sunrise", ""], errors="return").errors[1].code
    'empty_text'
    """

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteDecision:
    """Which way texts went, and why, in words. **Units**: estimated tokens, and seconds.

    >>> client.embed("sunrise", route="auto").route.reason
    '1 texts of about 5 tokens: up to 10,000,000 tokens are answered at once'
    """

    route: Route
    reason: str
    tokens: int = 0
    seconds: float | None = None


AS_ASKED: Final = RouteDecision(route="real-time", reason="it was asked for")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextEmbedding:
    """One text's vector, as ``embed_iter`` yields them.

    **Shapes**: ``vector``: (columns,), float32, or int8 / uint8 by the form asked for; ``None`` where ``error`` says
    why. ``scale`` is there with ``int8``.

    >>> [one.tokens for one in client.embed_iter(["sunrise", "boats return"])]
    [3, 4]
    """

    index: int
    vector: NDArray[Any] | None
    tokens: int
    truncated: bool = False
    scale: float | None = None
    error: TextError | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Embeddings:
    """Vectors in the order of the texts; wherever numpy takes an array, this will do.

    **Shapes**: ``vectors``: (texts, columns), float32, int8 or uint8; the row of a text that failed is NaN, or zero
    where there is no NaN. ``token_counts``: (texts,) int64. ``scales``: (texts,) float32 with ``int8``, else ``None``.
    ``truncated`` are the indices of texts that were cut; ``errors`` are by index (empty unless ``errors="return"``).
    ``chunks`` are the texts themselves where a chunker made them.

    >>> import numpy
    >>> embeddings = client.embed(["sunrise", "sunset"])
    >>> numpy.linalg.norm(embeddings, axis=1).round(3).tolist(), embeddings[0].shape
    ([1.0, 1.0], (1024,))
    """

    vectors: NDArray[Any]
    token_counts: NDArray[np.int64]
    usage: Usage
    model: str = MODEL_NAME
    truncated: tuple[int, ...] = ()
    errors: Mapping[int, TextError] = field(default_factory=dict)
    scales: NDArray[np.float32] | None = None
    route: RouteDecision = AS_ASKED
    chunks: tuple[str, ...] | None = None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        import numpy as np

        return np.array(self.vectors, dtype=dtype, copy=copy)

    def __len__(self) -> int:
        return len(self.vectors)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return iter(self.vectors)

    def __getitem__(self, key: Any) -> Any:
        """Return what the array of vectors has at the place."""
        return self.vectors[key]

    def __matmul__(self, other: Any) -> Any:
        """Multiply by another array, or by other embeddings: ``queries @ passages.T`` are all cosines."""
        return self.vectors @ other

    @property
    def T(self) -> NDArray[Any]:  # noqa: N802  # numpy's name
        """The array of vectors, transposed."""
        return self.vectors.T

    @property
    def shape(self) -> tuple[int, int]:
        """(texts, columns)."""
        rows, columns = self.vectors.shape
        return rows, columns

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the vectors."""
        return self.vectors.dtype

    def tolist(self) -> list[list[float]]:
        """Return the vectors as lists, for what takes no arrays."""
        rows: list[list[float]] = self.vectors.tolist()
        return rows

    def __repr__(self) -> str:
        rows, columns = self.vectors.shape
        more = "".join(
            f", {len(what)} {name}" for what, name in ((self.truncated, "cut"), (self.errors, "failed")) if what
        )
        return f"<Embeddings {rows} × {columns} {self.vectors.dtype}, {self.usage.tokens} tokens{more}>"
