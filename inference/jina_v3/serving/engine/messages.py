"""What the server and an engine process say to each other, and how it crosses their socket.

A frame is eight bytes of length and a pickle. Both ends are this package in the same version, over a socket that
nobody else can open.
"""

from __future__ import annotations

import asyncio
import pickle
import socket
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from jina_v3.contract import Task
from jina_v3.serving.context import RequestContext
from jina_v3.tokens.sequencer import SequencerConfig
from jina_v3.tokens.sequences import TokenBatch

_LENGTH = struct.Struct("!Q")


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """What a server must know of an encoder to tokenise for it and to fill its batches.

    ``details`` is for the log: how it computes.

    **Units**: tokens; ``tokens_per_s`` as measured while it was warmed up.
    """

    tasks: tuple[Task, ...]
    hidden: int
    max_batch_tokens: int
    sequencer: SequencerConfig
    tokens_per_s: float
    device: str
    dtype: str
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded. Without a ``model`` it is not ours to batch for: requests go to it whole."""

    model: ModelDescription | None
    seconds: float


@dataclass(frozen=True, slots=True)
class NotLoaded:
    """The model could not be loaded; ``fields`` is what the log says of it. The process ends."""

    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Encode:
    """Run one batch."""

    number: int
    batch: TokenBatch


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch's sums.

    **Shapes**: ``sums: (rows, dimensions)`` float32, as many as the batch wants. **Units**: seconds on the device, in
    which it had no other batch.
    """

    number: int
    sums: npt.NDArray[np.float32]
    device_s: float


@dataclass(frozen=True, slots=True)
class Invoke:
    """Pass one request, or a block of one, through the handlers."""

    number: int
    body: bytes
    content_type: str | None
    accept: str | None
    context: RequestContext


@dataclass(frozen=True, slots=True)
class Invoked:
    """What the handlers made of it: the response's body, and the context with its status and headers."""

    number: int
    body: bytes
    context: RequestContext


@dataclass(frozen=True, slots=True)
class Failed:
    """One call failed and the log has said how. If the device is ``lost`` the process ends with it."""

    number: int
    lost: bool


def to_frame(message: object) -> bytes:
    """Return a message as it crosses."""
    payload = pickle.dumps(message, protocol=5)
    return _LENGTH.pack(len(payload)) + payload


async def read_message(reader: asyncio.StreamReader) -> Any:
    """Read the next message.

    **Raises**: ``asyncio.IncompleteReadError``, ``OSError`` where the other side is gone.
    """
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    return pickle.loads(await reader.readexactly(length))  # noqa: S301  our own child, over a private socket


def receive_message(connection: socket.socket) -> Any:
    """Wait for the next message.

    **Raises**: ``EOFError`` where the other side is gone.
    """
    (length,) = _LENGTH.unpack(_receive(connection, _LENGTH.size))
    return pickle.loads(_receive(connection, length))  # noqa: S301  from our own parent, over a private socket


def _receive(connection: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    view = memoryview(data)
    while view:
        got = connection.recv_into(view)
        if not got:
            raise EOFError
        view = view[got:]
    return data
