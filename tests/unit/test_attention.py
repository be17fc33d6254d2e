"""Which attention is chosen, and how torch's kernels are called: what can be held without a CUDA device."""

import ast
import importlib.util
import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from jina_v3.encoder import attention as portable
from jina_v3.encoder.fused import attention as fused
from jina_v3.encoder.fused.attention import KINDS, Attention, choose_attention, sdpa, why_not
from jina_v3.encoder.fused.inputs import Capacity, Inputs, fill
from jina_v3.tokens.sequences import NO_TASK, TokenSequence, lay_out

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
HEADS, WIDTH = 2, 32
calls: list[tuple[Any, ...]] = []


def attend(query, key, value, cu_q, cu_k, max_q, max_k) -> torch.Tensor:
    """What the real kernels compute, and what they ask for."""
    assert cu_q is cu_k
    assert cu_q.dtype == torch.int32
    assert max_q == max_k >= int(cu_q.diff().max())
    states = torch.full_like(query, torch.nan)
    for start, end in pairwise(cu_q.tolist()):
        q, k, v = (part[start:end].transpose(0, 1) for part in (query, key, value))
        states[start:end] = F.scaled_dot_product_attention(q, k, v).transpose(0, 1)
    calls.append((type(max_q), query.stride(-1), tuple(query.shape)))
    return states


def torch_2_10() -> dict[str, Callable]:
    def varlen_attn(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, is_causal=False, return_aux=None):
        assert (is_causal, return_aux) == (False, None)
        return attend(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k)

    return {"varlen_attn": varlen_attn}


def torch_2_11() -> dict[str, Callable]:
    def varlen_attn(
        query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, *, return_aux=None, scale=None, window_size=(-1, -1)
    ):
        assert (return_aux, scale, window_size) == (None, None, (-1, -1))
        return attend(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k)

    return {"varlen_attn": varlen_attn}


def torch_2_13() -> dict[str, Callable]:
    def varlen_attn_out(
        out, query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, *, return_aux=None, scale=None,
        window_size=(-1, -1), enable_gqa=False, seqused_k=None, block_table=None, num_splits=None,
    ):  # fmt: skip
        assert (return_aux, scale, window_size, enable_gqa) == (None, None, (-1, -1), False)
        states = attend(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k)
        out[: cu_seq_q[-1]] = states[: cu_seq_q[-1]]  # rows of no sequence are left alone
        calls.append(("splits", num_splits))
        return out

    return {**torch_2_11(), "varlen_attn_out": varlen_attn_out}


class Operator:
    """An operator of another torch, with its schema."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.default = self
        self._schema = SimpleNamespace(
            arguments=[
                SimpleNamespace(name=one.name, has_default_value=lambda one=one: one.default is not one.empty)
                for one in inspect.signature(function).parameters.values()
            ]
        )

    def __call__(self, *arguments: Any, **more: Any) -> Any:
        calls.append(("operator",))
        return self.function(*arguments, **more)


def aten_2_11() -> dict[str, Callable]:
    """And 2.10's: from 2.5 to 2.11 they are the same."""

    def forward(
        query, key, value, cum_seq_q, cum_seq_k, max_q, max_k, dropout_p, is_causal, return_debug_mask, *,
        scale=None, window_size_left=None, window_size_right=None, seqused_k=None, alibi_slopes=None,
    ):  # fmt: skip
        assert (dropout_p, is_causal, return_debug_mask) == (0.0, False, False)
        assert {scale, window_size_left, window_size_right, seqused_k, alibi_slopes} == {None}
        return attend(query, key, value, cum_seq_q, cum_seq_k, max_q, max_k), None, None, None, None

    return {"_flash_attention_forward": forward}


def aten_2_13() -> dict[str, Callable]:
    def forward(
        query, key, value, cum_seq_q, cum_seq_k, max_q, max_k, dropout_p, is_causal, return_debug_mask, *,
        scale=None, window_size_left=None, window_size_right=None, seqused_k=None, alibi_slopes=None,
        block_table=None, num_splits=None,
    ):  # fmt: skip
        raise AssertionError("the result would be copied")

    def inplace(
        out, query, key, value, cum_seq_q, cum_seq_k, max_q, max_k, dropout_p, is_causal, return_debug_mask, *,
        scale=None, window_size_left=None, window_size_right=None, seqused_k=None, alibi_slopes=None,
        block_table=None, num_splits=None,
    ):  # fmt: skip
        assert (dropout_p, is_causal, return_debug_mask) == (0.0, False, False)
        assert {scale, window_size_left, window_size_right, seqused_k, alibi_slopes, block_table} == {None}
        states = attend(query, key, value, cum_seq_q, cum_seq_k, max_q, max_k)
        out[: cum_seq_q[-1]] = states[: cum_seq_q[-1]]  # rows of no sequence are left alone
        calls.append(("splits", num_splits))
        return

    return {"_flash_attention_forward": forward, "_flash_attention_forward_no_dropout_inplace": inplace}


def aten_renamed() -> dict[str, Callable]:
    def forward(query, key, value, cu_seqlens, max_q, max_k, dropout_p, is_causal, return_debug_mask):
        raise AssertionError("not as it wants")

    return {"_flash_attention_forward": forward}


def aten_with_one_more() -> dict[str, Callable]:
    def inplace(
        out, query, key, value, cum_seq_q, cum_seq_k, max_q, max_k, dropout_p, is_causal, return_debug_mask, sinks
    ):
        raise AssertionError("not as it wants")

    return {**aten_renamed(), "_flash_attention_forward_no_dropout_inplace": inplace}


OPERATORS = {"2.11": aten_2_11, "2.13": aten_2_13, "renamed": aten_renamed, "one more": aten_with_one_more}
TORCHES = {"2.10": torch_2_10, "2.11": torch_2_11, "2.13": torch_2_13}


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    calls.clear()
    portable._flash_kernel.cache_clear()
    fused._flash3_kernel.cache_clear()
    yield
    portable._flash_kernel.cache_clear()
    fused._flash3_kernel.cache_clear()


def pretend(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """Put the module of another torch in place of this one's."""
    module = ModuleType("torch.nn.attention.varlen")
    for name, function in TORCHES[version]().items():
        setattr(module, name, function)
    monkeypatch.setitem(sys.modules, "torch.nn.attention.varlen", module)
    monkeypatch.setattr(torch.nn.attention, "varlen", module, raising=False)


def make_case(lengths: list[int], spare_tokens: int, spare_sequences: int) -> tuple[torch.Tensor, Inputs, torch.Tensor]:
    batch = lay_out([TokenSequence(np.zeros(n, np.int64), NO_TASK, ((n, 0),)) for n in lengths], 1)
    room = Capacity(sum(lengths) + spare_tokens, len(lengths) + spare_sequences, len(lengths), max(lengths))
    block = np.empty(room.values, np.int32)
    fill(block, room, batch)
    qkv = torch.randn(room.tokens, 3 * WIDTH, generator=torch.Generator().manual_seed(1))
    qkv[sum(lengths) :] = torch.nan
    return qkv, Inputs.view(torch.from_numpy(block), room, adapted=False), torch.zeros(room.tokens, WIDTH + 8)


def exact(qkv: torch.Tensor, lengths: list[int]) -> torch.Tensor:
    """Attention written out, in float64."""
    rows = []
    for part in qkv[: sum(lengths)].double().split(lengths):
        q, k, v = part.view(len(part), 3, HEADS, -1).permute(1, 2, 0, 3)
        weights = torch.softmax(q @ k.mT / q.shape[-1] ** 0.5, -1)
        rows.append((weights @ v).transpose(0, 1).flatten(1))
    return torch.cat(rows).float()


LENGTHS = [[1], [3, 1, 7], [5, 5, 5]]


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("version", ["2.11", "2.13"])
def test_every_torchs_flash_kernel_is_called_as_it_wants(
    monkeypatch: pytest.MonkeyPatch, version: str, lengths: list[int]
) -> None:
    pretend_operators(monkeypatch, version)
    monkeypatch.setitem(sys.modules, "torch.nn.attention.varlen", None)  # it must not be needed
    in_place = version == "2.13"
    check_flash(lengths, in_place=in_place)
    assert ("operator",) in calls
    assert (("splits", None) in calls) is in_place  # the kernel's own choice


@pytest.mark.parametrize("version", ["2.10", "2.11"])
@pytest.mark.parametrize("operators", ["renamed", "one more"])
def test_operators_that_want_something_else_are_left_to_torch(
    monkeypatch: pytest.MonkeyPatch, version: str, operators: str
) -> None:
    pretend(monkeypatch, version)
    pretend_operators(monkeypatch, operators)
    check_flash([3, 1, 7], in_place=False)
    assert ("operator",) not in calls


def pretend_operators(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    functions = OPERATORS[version]()
    for name in ("_flash_attention_forward", "_flash_attention_forward_no_dropout_inplace"):
        function = functions.get(name)
        monkeypatch.setattr(torch.ops.aten, name, None if function is None else Operator(function), raising=False)


def check_flash(lengths: list[int], *, in_place: bool) -> None:
    qkv, inputs, wide = make_case(lengths, spare_tokens=4, spare_sequences=2)
    out = wide[:, :WIDTH]
    states = fused.flash(qkv, HEADS, inputs, out)
    assert states.shape == out.shape
    torch.testing.assert_close(states[: sum(lengths)], exact(qkv, lengths))
    assert (int, 1, (len(qkv), HEADS, WIDTH // HEADS)) in calls
    assert (states.data_ptr() == out.data_ptr()) is in_place
    assert not wide[:, WIDTH:].any()
    assert not wide[sum(lengths) :].any()


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=6), spare=st.integers(0, 5))
def test_sdpa_is_attention_and_padding_reaches_nothing(lengths: list[int], spare: int) -> None:
    qkv, inputs, wide = make_case(lengths, spare, spare)
    states = sdpa(qkv, HEADS, inputs, wide[:, :WIDTH])
    torch.testing.assert_close(states[: sum(lengths)], exact(qkv, lengths))
    assert not wide[sum(lengths) :].any()


def test_this_torch_has_what_is_called() -> None:
    """The module's text is read: importing it loads torch's compiler."""
    spec = importlib.util.find_spec("torch.nn.attention.varlen")
    functions = {
        node.name: [argument.arg for argument in node.args.args]
        for node in ast.parse(Path(spec.origin).read_text()).body
        if isinstance(node, ast.FunctionDef)
    }
    seven = ["query", "key", "value", "cu_seq_q", "cu_seq_k", "max_q", "max_k"]
    assert functions["varlen_attn"][:7] == seven
    if "varlen_attn_out" in functions:
        assert functions["varlen_attn_out"][:8] == ["out", *seven]

    def arguments(operator: Any) -> list[str]:
        return [argument.name for argument in operator.default._schema.arguments]

    packed = ["cum_seq_q", "cum_seq_k", "max_q", "max_k"]
    more = ["dropout_p", "is_causal", "return_debug_mask"]
    assert arguments(torch.ops.aten._cudnn_attention_forward)[:12] == [
        *seven[:3], "attn_bias", *packed, "compute_log_sumexp", *more,
    ]  # fmt: skip
    assert arguments(torch.ops.aten._flash_attention_forward)[:10] == [*seven[:3], *packed, *more]
    assert portable._operator("_flash_attention_forward", portable._ARGUMENTS) is not None
    if "varlen_attn_out" in functions:
        inplace = "_flash_attention_forward_no_dropout_inplace"
        assert portable._operator(inplace, ("out", *portable._ARGUMENTS)) is not None


def test_the_cpu_never_loads_torchs_compiler() -> None:
    code = """
import sys, torch
from jina_v3.encoder import attention
from jina_v3.encoder.fused.attention import choose_attention
for name in ("auto", "sdpa"):
    assert choose_attention(name, torch.device("cpu"), torch.float32)[0] == "sdpa"
assert "torch.nn.attention.varlen" not in sys.modules
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["flash", "cudnn", "flash3"])
def test_a_kind_that_needs_cuda_says_so(name: str) -> None:
    with pytest.raises(ValueError, match=f"attention '{name}' cannot be had on cpu: it needs a CUDA device; take"):
        choose_attention(name, CPU, torch.bfloat16)


def test_an_unknown_kind_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="unknown attention 'xformers'; want one of flash, cudnn, flash3, sdpa, auto"):
        choose_attention("xformers", CPU, torch.float32)


def on_a_card(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], works: str | None = None) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: capability)
    monkeypatch.setattr(fused, "_try", lambda *_arguments, **_more: works)


@pytest.mark.parametrize(
    ("capability", "dtype", "works", "chosen"),
    [
        ((9, 0), torch.bfloat16, None, "flash"),
        ((8, 6), torch.float16, None, "flash"),
        ((9, 0), torch.float32, None, "sdpa"),
        ((7, 5), torch.float16, None, "sdpa"),
        ((9, 0), torch.bfloat16, "it differs", "sdpa"),
    ],
)
def test_auto_is_flash_where_it_can_be_had_and_works(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capability: tuple[int, int],
    dtype: torch.dtype,
    works: str | None,
    chosen: str,
) -> None:
    on_a_card(monkeypatch, capability, works)
    assert choose_attention("auto", CUDA, dtype) == (chosen, KINDS[chosen])
    reasons = [record.fields["reason"] for record in caplog.records]
    assert reasons == [] if chosen == "flash" else reasons == [works or why_not("flash", CUDA, dtype)]


def test_what_an_old_card_lacks_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_card(monkeypatch, (7, 5))
    with pytest.raises(ValueError, match=r"on cuda:0: .*compute capability 8\.0, not torch\.float16 and 7\.5"):
        choose_attention("flash", CUDA, torch.float16)


def test_a_kind_that_fails_its_trial_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_card(monkeypatch, (9, 0), "RuntimeError: no kernel image")
    with pytest.raises(ValueError, match="attention 'cudnn' cannot be had on cuda:0: RuntimeError: no kernel image"):
        choose_attention("cudnn", CUDA, torch.bfloat16)


def test_flash3_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def reason() -> str | None:
        return why_not("flash3", CUDA, torch.bfloat16)

    on_a_card(monkeypatch, (8, 9))
    assert reason() == "it needs compute capability 9.0 (H100, H200), not 8.9"
    on_a_card(monkeypatch, (9, 0))
    monkeypatch.setattr(torch.nn.attention, "list_flash_attention_impls", list, raising=False)
    assert reason() == f"torch {torch.__version__} knows no FA3"
    monkeypatch.setattr(torch.nn.attention, "list_flash_attention_impls", lambda: ["FA3"])
    monkeypatch.setattr(fused.importlib.util, "find_spec", lambda _name: None)
    assert "flash_attn_interface" in str(reason())
    monkeypatch.setattr(fused.importlib.util, "find_spec", lambda _name: object())
    pretend(monkeypatch, "2.11")
    assert reason() == f"ImportError: torch {torch.__version__} has no varlen_attn_out"

    activated: list[str] = []
    monkeypatch.setattr(torch.nn.attention, "activate_flash_attention_impl", activated.append, raising=False)
    pretend(monkeypatch, "2.13")
    assert reason() is None
    assert activated == ["FA3"]
    qkv, inputs, wide = make_case([3, 4], 2, 2)
    states = fused.flash3(qkv, HEADS, inputs, wide[:, :WIDTH])
    torch.testing.assert_close(states[:7], exact(qkv, [3, 4]))
    assert ("splits", 1) in calls


def leaks(qkv: torch.Tensor, heads: int, inputs: Inputs, out: torch.Tensor) -> torch.Tensor:
    """As a kernel does that multiplies a whole tile by probabilities of zero."""
    return sdpa(qkv, heads, inputs, out) + 0 * qkv[-1, 0]


def attends_to_all(qkv: torch.Tensor, heads: int, inputs: Inputs, out: torch.Tensor) -> torch.Tensor:
    inputs.cu_seqlens[1:-1] = inputs.cu_seqlens[-1]
    return sdpa(qkv, heads, inputs, out)


def raises(*_arguments: object) -> torch.Tensor:
    raise NotImplementedError("no such operator\nand a long list")


@pytest.mark.parametrize(
    ("attention", "padding", "said"),
    [
        (sdpa, torch.nan, None),
        (leaks, torch.nan, "what fills a batch up leaked into its sequences"),
        (leaks, 1e3, None),
        (attends_to_all, torch.nan, "it differs from SDPA by"),
        (raises, torch.nan, "NotImplementedError: no such operator"),
    ],
)
def test_the_trial_finds_what_is_wrong_with_a_kernel(attention: Attention, padding: float, said: str | None) -> None:
    found = fused._try(attention, CPU, torch.bfloat16, padding)
    assert (found is None) if said is None else (found or "").startswith(said)


def test_the_trial_is_not_led_astray_by_a_default_device() -> None:
    with torch.device("meta"):
        assert fused._try(sdpa, CPU, torch.bfloat16, torch.nan) is None
