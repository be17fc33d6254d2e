"""Launches of every operation between the matrix products, on tensors that lie between guard rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from jina_v3.contract import TASKS
from jina_v3.encoder.fused.kernels.interface import Adapters, EmbeddingTables, Kernels, NormParameters

GUARDS = 4
_HIDDEN, _HEADS, _INTERMEDIATE, _COLUMNS, _RANK, _VOCAB, _POSITIONS = 1024, 16, 4096, 32, 4, 300, 128
TOKENS = (1, 3, 16, 17, 129, 1000)
"""A row, and both sides of the edges of blocks of rows."""


class GuardError(AssertionError):
    """A kernel wrote outside of what it was given."""


class Guarded:
    """Tensors between guard rows."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._whole: list[tuple[str, torch.Tensor, torch.Tensor]] = []

    def __call__(self, name: str, values: torch.Tensor) -> torch.Tensor:
        """Return ``values`` on the device, with guards before and behind. **Shapes**: the same."""
        bits = values.view(torch.uint8) if values.dtype.itemsize == 1 else values
        guard = torch.full((GUARDS, *bits.shape[1:]), 77, dtype=bits.dtype)
        whole = torch.cat((guard, bits, guard)).to(self._device)
        self._whole.append((name, whole, guard))
        return whole[GUARDS:-GUARDS].view(values.dtype)

    def check(self) -> None:
        """Compare the guards with what was written there. **Raises**: GuardError that names the tensor."""
        for name, whole, guard in self._whole:
            for side, rows in (("before", whole[:GUARDS]), ("behind", whole[-GUARDS:])):
                if not torch.equal(rows.cpu(), guard):
                    raise GuardError(f"{name}: written {side} its rows")


@dataclass(frozen=True, slots=True)
class Launch:
    """One call of one kernel, and what it was given."""

    name: str
    memory: Guarded
    run: Callable[[], None]


def launches(kernels: Kernels, device: torch.device, dtype: torch.dtype, tokens: int) -> Iterator[Launch]:
    """Yield every operation: with and without tasks, in place and not, all dimensions and few."""
    made = torch.Generator().manual_seed(tokens)

    def random(*shape: int, kind: torch.dtype = dtype) -> torch.Tensor:
        return torch.randn(*shape, generator=made).to(kind)

    def integers(most: int, *shape: int) -> torch.Tensor:
        return torch.randint(most, shape, generator=made, dtype=torch.int32)

    def launch(name: str, call: Callable[[Guarded], Callable[[], None]]) -> Launch:
        memory = Guarded(device)
        return Launch(f"{name}, {tokens} tokens, {dtype}", memory, call(memory))

    hidden, wide = _HIDDEN, _HIDDEN + _COLUMNS
    tasks = integers(len(TASKS) + 1, tokens) - 1
    fp32 = torch.float32

    def norm(memory: Guarded) -> NormParameters:
        return NormParameters(
            memory("weight", random(hidden, kind=fp32)), memory("norm bias", random(hidden, kind=fp32)), 1e-5
        )

    for rank in (0, _RANK):

        def embed(memory: Guarded, rank: int = rank) -> Callable[[], None]:
            slots = torch.tensor([*range(len(TASKS)), -1] if rank else [-1] * (len(TASKS) + 1), dtype=torch.int32)
            blocks = len(TASKS) if rank else 0
            tables = EmbeddingTables(
                memory("words", random(_VOCAB, hidden)),
                memory("constant", random(len(TASKS) + 1, hidden, kind=fp32)),
                memory("a", random(blocks * _VOCAB, rank)),
                memory("b", random(blocks * rank, hidden, kind=fp32)),
                memory("slots", slots),
                rank,
            )
            ids, of_tasks = memory("ids", integers(_VOCAB, tokens)), memory("tasks", tasks)
            out, parameters = memory("out", random(tokens, wide))[:, :hidden], norm(memory)
            return lambda: kernels.embed(ids, of_tasks, tables, parameters, out)

        yield launch(f"embed, rank {rank}", embed)

    def rotate(memory: Guarded) -> Callable[[], None]:
        qkv, positions = memory("qkv", random(tokens, 3 * hidden)), memory("positions", integers(_POSITIONS, tokens))
        rotations = memory("rotations", random(_POSITIONS, hidden // _HEADS, kind=fp32))
        return lambda: kernels.rotate_(qkv, rotations, positions, _HEADS)

    yield launch("rotate_", rotate)

    for longest in (16, 64, 128):

        def attend(memory: Guarded, longest: int = longest) -> Callable[[], None]:
            qkv, out = memory("qkv", random(tokens, 3 * hidden)), memory("out", random(tokens, wide))[:, :hidden]
            positions = memory("positions", torch.arange(tokens, dtype=torch.int32) % longest)
            rotations = memory("rotations", random(_POSITIONS, hidden // _HEADS, kind=fp32))
            return lambda: kernels.attend_short(qkv, rotations, positions, _HEADS, longest, out)

        yield launch(f"attend_short, {longest} at most", attend)

    for in_place in (False, True):

        def adapt(memory: Guarded, in_place: bool = in_place) -> Callable[[], None]:
            out, of_tasks = memory("out", random(tokens, wide)), memory("tasks", tasks)
            x = out[:, :hidden] if in_place else memory("x", random(tokens, hidden))
            adapters = make_adapters(memory, random(_COLUMNS, hidden))
            return lambda: kernels.adapt(x, adapters, of_tasks, out)

        yield launch(f"adapt{', in place' if in_place else ''}", adapt)

    for adapted in (False, True):
        for in_place in (False, True):

            def add_norm(memory: Guarded, adapted: bool = adapted, in_place: bool = in_place) -> Callable[[], None]:
                out, of_tasks = memory("out", random(tokens, wide)), memory("tasks", tasks)
                x, bias = memory("x", random(tokens, hidden)), memory("bias", random(hidden, kind=fp32))
                residual = out[:, :hidden] if in_place else memory("residual", random(tokens, hidden))
                adapters = make_adapters(memory, random(_COLUMNS, hidden)) if adapted else None
                parameters = norm(memory)
                return lambda: kernels.add_norm(x, bias, residual, parameters, out, adapters, of_tasks)

            def gelu(memory: Guarded, adapted: bool = adapted, in_place: bool = in_place) -> Callable[[], None]:
                out, of_tasks = memory("out", random(tokens, _INTERMEDIATE + _COLUMNS)), memory("tasks", tasks)
                bias = memory("bias", random(_INTERMEDIATE, kind=fp32))
                x = out[:, :_INTERMEDIATE] if in_place else memory("x", random(tokens, _INTERMEDIATE))
                adapters = make_adapters(memory, random(_COLUMNS, _INTERMEDIATE)) if adapted else None
                return lambda: kernels.gelu(x, bias, out, adapters, of_tasks)

            how = f"{', adapted' if adapted else ''}{', in place' if in_place else ''}"
            yield launch(f"add_norm{how}", add_norm)
            yield launch(f"gelu{how}", gelu)

    for dimensions in (32, hidden):

        def sums(memory: Guarded, dimensions: int = dimensions) -> Callable[[], None]:
            lengths = torch.tensor([tokens - tokens // 3, 0, tokens // 3, 0], dtype=torch.int32)
            starts = torch.tensor([0, 0, tokens - tokens // 3, 0], dtype=torch.int32)
            states = memory("states", random(tokens, wide))[:, :hidden]
            out = memory("out", random(len(lengths), dimensions, kind=fp32))
            placed = memory("starts", starts), memory("lengths", lengths)
            return lambda: kernels.sum_segments(states, *placed, out)

        yield launch(f"sum_segments, {dimensions} dimensions", sums)

    if device.type != "cuda" or torch.cuda.get_device_capability(device) >= (8, 9):
        for width in (hidden, wide, _INTERMEDIATE + _COLUMNS):

            def quantize(memory: Guarded, width: int = width) -> Callable[[], None]:
                x = memory("x", random(tokens, width))
                out = memory("out", torch.zeros(tokens, width, dtype=torch.float8_e4m3fn))
                scales = memory("scales", random(tokens, 1, kind=fp32))
                return lambda: kernels.quantize_rows(x, out, scales)

            yield launch(f"quantize_rows, {width} wide", quantize)


def make_adapters(memory: Guarded, a: torch.Tensor) -> Adapters:
    """Lay five tasks of the usual rank out. **Shapes**: ``a: (columns, in)``."""
    owners = torch.full((_COLUMNS,), len(TASKS), dtype=torch.int32)
    owners[: _RANK * len(TASKS)] = torch.arange(len(TASKS), dtype=torch.int32).repeat_interleave(_RANK)
    a[_RANK * len(TASKS) :] = 0
    first = torch.tensor([*(_RANK * index for index in range(len(TASKS))), 0], dtype=torch.int32)
    ranks = torch.tensor([_RANK] * len(TASKS) + [0], dtype=torch.int32)
    return Adapters(memory("a", a), memory("owners", owners), memory("first", first), memory("ranks", ranks), _RANK)


def launch_all(kernels: Kernels, device: torch.device, tokens: Sequence[int]) -> int:
    """Launch everything in both precisions; return how many launches there were.

    **Raises**: GuardError when a kernel wrote where it must not.
    """
    count = 0
    for dtype in (torch.bfloat16, torch.float16):
        for size in tokens:
            for one in launches(kernels, device, dtype, size):
                one.run()
                if device.type == "cuda":
                    torch.cuda.synchronize(device)
                try:
                    one.memory.check()
                except GuardError as error:
                    raise GuardError(f"{one.name}: {error}") from None
                count += 1
    return count
