"""Which precisions there are, and where each can run."""

from collections.abc import Iterator

import pytest
import torch

from jina_v3.encoder.precision import PRECISIONS, choose_precision, set_accumulation

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


def pretend(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int]) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: capability)


@pytest.mark.parametrize(
    ("capability", "name"), [((7, 5), "float16"), ((8, 0), "bfloat16"), ((8, 6), "bfloat16"), ((10, 0), "bfloat16")]
)
def test_the_default_is_what_the_device_does_best(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], name: str
) -> None:
    assert choose_precision(None, CPU).name == "float32"
    pretend(monkeypatch, capability)
    assert choose_precision(None, CUDA).name == name


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("device", [CPU, CUDA], ids=str)
def test_plain_precisions_run_everywhere_and_are_not_checked(name: str, device: torch.device) -> None:
    precision = choose_precision(name, device)
    assert precision.dtype == getattr(torch, name)
    assert precision.bound is None
    assert precision.is_plain


@pytest.mark.parametrize("name", ["float8", "float8-mlp", "float16-fast"])
def test_the_cpu_refuses_with_what_it_allows(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}.*CUDA.*float32, bfloat16, float16$"):
        choose_precision(name, CPU)


def test_float8_starts_at_ada(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, (8, 6))
    with pytest.raises(ValueError, match=r"8\.9.*cuda:0 has 8\.6.*'bfloat16'"):
        choose_precision("float8", CUDA)
    pretend(monkeypatch, (8, 9))
    precision = choose_precision("float8", CUDA)
    assert (precision.dtype, precision.float8, precision.bound) == (torch.bfloat16, ("qkv", "out", "fc1", "fc2"), 1e-3)
    assert choose_precision("float8-mlp", CUDA).float8 == ("fc1", "fc2")


def test_fast_half_is_float16_and_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, (8, 6))
    precision = choose_precision("float16-fast", CUDA)
    assert (precision.dtype, precision.fast_half, precision.bound) == (torch.float16, True, 1e-4)


def test_an_unknown_name_is_refused_with_all_that_are_known() -> None:
    with pytest.raises(ValueError, match=r"'int4'.*float32, bfloat16, float16, float16-fast, float8"):
        choose_precision("int4", CPU)


@pytest.fixture
def accumulation() -> Iterator[None]:
    before = torch.backends.cuda.matmul.allow_fp16_accumulation
    yield
    torch.backends.cuda.matmul.allow_fp16_accumulation = before


@pytest.mark.usefixtures("accumulation")
def test_fp16_is_summed_in_fp16_where_that_was_asked_for_and_nowhere_else() -> None:
    for name in ("float16-fast", "float16", "float16-fast", "float8"):
        set_accumulation(PRECISIONS[name])
        assert torch.backends.cuda.matmul.allow_fp16_accumulation == (name == "float16-fast")
