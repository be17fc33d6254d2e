"""The portable pass's attention on a CUDA device against SDPA in fp32."""

import numpy as np
import pytest
import torch

from jina_v3.encoder.attention import attend, attend_by_length
from jina_v3.encoder.packing import to_batch
from jina_v3.tokens.sequences import NO_TASK, TokenSequence

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_flash_attention_is_attention(dtype: torch.dtype) -> None:
    device = torch.device("cuda")
    sizes = (1, 3, 16, 17, 64, 64, 700)
    sequences = [TokenSequence(np.arange(size), NO_TASK, ((size, row),)) for row, size in enumerate(sizes)]
    batch = to_batch(sequences, device)
    q, k, v = torch.randn(3, sum(sizes), 16, 64, device=device, dtype=dtype)
    fast = attend(q, k, v, batch, q.new_empty(sum(sizes), 1024))
    exact = attend_by_length(q.float(), k.float(), v.float(), batch, torch.empty(sum(sizes), 1024, device=device))
    torch.testing.assert_close(fast.float(), exact, atol=2e-2, rtol=2e-2)
