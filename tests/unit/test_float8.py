"""Products in float8, by torch's scaled product on the CPU, against dequantised operands in fp64."""

import numpy as np
import pytest
import torch
from tests.support.checkpoints import TINY, write_original

from jina_v3.encoder.checkpoint import open_checkpoint
from jina_v3.encoder.fused.attention import sdpa
from jina_v3.encoder.fused.inputs import Capacity, Inputs, fill
from jina_v3.encoder.fused.kernels.reference import ReferenceKernels
from jina_v3.encoder.fused.model import FusedModel
from jina_v3.encoder.fused.products import Float8Product
from jina_v3.encoder.fused.workspace import Sizes, Workspace
from jina_v3.tokens.sequences import NO_TASK, TokenSequence, lay_out

CPU = torch.device("cpu")
KERNELS = ReferenceKernels()
TOKENS, IN, OUT, COLUMNS = 9, 64, 48, 32
SIZES = Sizes(hidden=IN, intermediate=OUT, columns=COLUMNS, float8=True)


def dequantised(x: torch.Tensor) -> torch.Tensor:
    """Round to float8 by rows, from the format's own table of values."""
    table = torch.arange(256, dtype=torch.uint8).view(torch.float8_e4m3fn).double()
    table = table[table.isfinite()].unique()
    scale = x.double().abs().amax(1, keepdim=True) / 448
    scaled = (x.double() / torch.where(scale > 0, scale, 1.0)).flatten()
    nearest = (scaled[:, None] - table[None]).abs().argmin(1)
    return table[nearest].view(x.shape) * torch.where(scale > 0, scale, 1.0)


@pytest.fixture
def operands() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    x = torch.empty(TOKENS, IN + COLUMNS).normal_(generator=generator)
    x[:, 5] *= 30  # a loud channel
    weight = torch.empty(OUT, IN + COLUMNS).normal_(0, 0.1, generator=generator)
    weight[7] = 0
    return x, weight


@pytest.mark.parametrize("adapted", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("with_bias", [True, False])
def test_a_product_is_that_of_the_rounded_operands(
    operands: tuple[torch.Tensor, torch.Tensor], dtype: torch.dtype, *, adapted: bool, with_bias: bool
) -> None:
    x, weight = (one.to(dtype) for one in operands)
    bias = torch.linspace(-1, 1, OUT, dtype=dtype) if with_bias else None
    memory = Workspace.allocate(TOKENS + 3, SIZES, dtype, CPU).first(TOKENS)
    out = torch.full((TOKENS, OUT), torch.nan, dtype=dtype)
    Float8Product(weight, COLUMNS, bias, KERNELS)(x, out, memory, adapted=adapted)
    width = IN + COLUMNS if adapted else IN
    # the weights' scale is that of the whole row, with the columns that may be left out
    wanted = dequantised(x[:, :width]) @ dequantised(weight)[:, :width].T
    wanted = wanted if bias is None else wanted + bias.double()
    tolerance = {torch.float32: 1e-5, torch.bfloat16: 1e-2}[dtype]
    torch.testing.assert_close(out.double(), wanted, atol=tolerance * 10, rtol=tolerance)


def test_a_row_that_is_no_number_stays_alone(operands: tuple[torch.Tensor, torch.Tensor]) -> None:
    x, weight = operands
    product = Float8Product(weight, COLUMNS, None, KERNELS)
    memory = Workspace.allocate(TOKENS, SIZES, torch.float32, CPU)
    clean, spoilt = torch.empty(TOKENS, OUT), torch.empty(TOKENS, OUT)
    product(x, clean, memory, adapted=True)
    x[4] = torch.nan
    product(x, spoilt, memory, adapted=True)
    assert spoilt[4].isnan().all()
    others = [row for row in range(TOKENS) if row != 4]
    assert torch.equal(spoilt[others], clean[others])


@pytest.mark.parametrize("float8", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_the_memory_is_what_is_planned_for(dtype: torch.dtype, *, float8: bool) -> None:
    sizes = Sizes(hidden=64, intermediate=128, columns=32, float8=float8)
    memory = Workspace.allocate(10, sizes, dtype, CPU)
    storages = {getattr(memory, name).untyped_storage() for name in memory.__slots__}
    places = {one.data_ptr(): one.nbytes() for one in storages}
    assert sum(places.values()) == 10 * Workspace.bytes_per_token(sizes, dtype)


@pytest.mark.parametrize("tasks", [[NO_TASK] * 3, [0, NO_TASK, 4]])
def test_a_model_in_float8_is_near_the_plain_one(tmp_path_factory: pytest.TempPathFactory, tasks: list[int]) -> None:
    checkpoint = open_checkpoint(write_original(tmp_path_factory.mktemp("float8") / "model", TINY))
    rng = np.random.default_rng(1)
    lengths = (40, 5, 21)
    batch = lay_out(
        [
            TokenSequence(rng.integers(5, 590, length), task, ((length, row),))
            for row, (length, task) in enumerate(zip(lengths, tasks, strict=True))
        ],
        3,
    )
    capacity = Capacity(tokens=80, sequences=5, segments=4, max_length=64)
    block = np.empty(capacity.values, np.int32)
    fill(block, capacity, batch)
    inputs = Inputs.view(torch.from_numpy(block), capacity, adapted=max(tasks) != NO_TASK)
    sums = {}
    for float8 in ((), ("fc1", "fc2"), ("qkv", "out", "fc1", "fc2")):
        model = FusedModel(checkpoint, CPU, torch.float32, KERNELS, sdpa, float8=float8)
        memory = model.workspace(capacity.tokens)
        for name in memory.__slots__:
            getattr(memory, name).fill_(torch.nan)
        sums[float8] = torch.empty(capacity.segments, TINY.hidden)
        model.sums(inputs, memory, sums[float8])
    plain, mlp, every = (one[:3].double() for one in sums.values())
    errors, mlp_errors = (1 - torch.cosine_similarity(one, plain) for one in (every, mlp))
    assert errors.max() < 1e-2  # two layers of random weights
    assert 1e-6 < mlp_errors.mean() < errors.mean()
