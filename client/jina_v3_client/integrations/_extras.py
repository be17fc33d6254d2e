"""What to install, where a library is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def brought_by(extra: str) -> Iterator[None]:
    """Say which extra brings the library, if what is imported in here is not installed.

    >>> with brought_by("langchain"):
    ...     import a_library_that_is_not_there
    Traceback (most recent call last):
    ModuleNotFoundError: No module named 'a_library_that_is_not_there'; pip install '.[langchain]', in the folder of jina-embeddings-v3-sagemaker
    """  # noqa: E501  # the message is one line
    try:
        yield
    except ModuleNotFoundError as error:
        message = f"{error}; pip install '.[{extra}]', in the folder of jina-embeddings-v3-sagemaker"
        raise ModuleNotFoundError(message, name=error.name, path=error.path) from error
