"""The numbers in the drawing of the engine are those of the code."""

import re

from tests.support.pages import blocks_of

from jina_v3.encoder.choice import _MAX_BATCH_TOKENS
from jina_v3.encoder.fused.layer import SHORT


def test_the_drawing_has_the_codes_numbers() -> None:
    (block,) = blocks_of(__file__)
    (tokens,) = re.findall(r"up to ([\d,]+) tokens", block.text)
    (short,) = re.findall(r"no text of more than (\d+) tokens", block.text)
    assert int(tokens.replace(",", "")) == _MAX_BATCH_TOKENS["cuda"]
    assert int(short) == SHORT
