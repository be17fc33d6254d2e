"""Sizes of a run."""

from __future__ import annotations

from dataclasses import dataclass

from demo.standin import StandInConfig


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured, and at which sizes. **Units**: tokens, where nothing else is said."""

    config: StandInConfig
    check_lengths: tuple[int, ...]
    lengths: tuple[int, ...]
    pack_tokens: int
    packs: int
    mixed_texts: int
    longest_mixed: int
    square: int
    rounds: int
    query_lengths: tuple[int, ...]
    queries: int
    mix_tokens: tuple[int, ...]
    waterfall_lengths: tuple[int, ...]
    waterfall_texts: int
    waterfall_query: int
    precision_length: int
    memory_documents: tuple[int, ...]
    memory_length: int
    kernel_rows: int
    crossover_tokens: tuple[int, ...]
    attention_lengths: tuple[int, ...]
    repeats: int


# Outlier channels, as trained models have them: half precision is easy on purely Gaussian weights.
FULL = Plan(
    config=StandInConfig(layers=24, vocab=250002, outliers=True),
    check_lengths=(30, 45, 16, 128, 700, 64, 300, 97, 33, 512, 200, 77),
    lengths=(16, 128, 512, 2048, 8192),
    pack_tokens=16384,
    packs=4,
    mixed_texts=512,
    longest_mixed=512,
    square=8192,
    rounds=7,
    query_lengths=(16, 128, 512),
    queries=200,
    mix_tokens=(128, 2000, 16384),
    waterfall_lengths=(128, 16, 512),
    waterfall_texts=128,
    waterfall_query=16,
    precision_length=512,
    memory_documents=(1, 8, 64),
    memory_length=8192,
    kernel_rows=16384,
    crossover_tokens=(16, 64, 128, 256, 512, 1024, 2048, 4096),
    attention_lengths=(16, 32, 64, 128, 512, 2048, 8192),
    repeats=20,
)
SMOKE = Plan(
    config=StandInConfig(layers=2, hidden=64, heads=4, intermediate=128, vocab=2000, outliers=True),
    check_lengths=(20, 30, 17, 24, 19, 40),
    lengths=(16, 32),
    pack_tokens=64,
    packs=2,
    mixed_texts=6,
    longest_mixed=64,
    square=64,
    rounds=2,
    query_lengths=(16,),
    queries=5,
    mix_tokens=(160,),
    waterfall_lengths=(16,),
    waterfall_texts=16,
    waterfall_query=16,
    precision_length=16,
    memory_documents=(1, 2),
    memory_length=64,
    kernel_rows=64,
    crossover_tokens=(16, 32),
    attention_lengths=(16, 32),
    repeats=2,
)
