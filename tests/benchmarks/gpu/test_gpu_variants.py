"""What is timed computes the right thing: the unpadded rival, the model alone, and engines that are wrong."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.agreement import WrongVectorsError, cosine_errors
from benchmarks.checkpoint import CheckpointPair, write_pair
from benchmarks.gpu import checks, precisions
from benchmarks.gpu.bench import Bench, check_alike
from benchmarks.gpu.engines import FULL, Engines
from benchmarks.gpu.forward import BareModel, pool, to_packs
from benchmarks.gpu.journal import Journal
from benchmarks.gpu.packed_native import PackedNativeClass
from benchmarks.gpu.plan import SMOKE
from benchmarks.gpu.rows import Log
from benchmarks.gpu.session import Session
from benchmarks.gpu.ungated import load_ungated, measure_gate
from benchmarks.variants import NativeClass, load_ours
from benchmarks.workload import Lexicon, round_robin_tasks

from jina_v3.encoder import Encoder
from jina_v3.encoder.options import EngineOptions
from jina_v3.encoder.precision import PRECISIONS
from jina_v3.errors import AccuracyError

LENGTHS = [5, 60, 23, 9, 31, 31, 17]


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return Lexicon(SMOKE.config.vocab)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, lexicon: Lexicon) -> CheckpointPair:
    return write_pair(tmp_path_factory.mktemp("pair"), SMOKE.config, lexicon)


def watched_sums(bare: BareModel) -> list[torch.Tensor]:
    """Return where the sums of each batch will be, as soon as it has run."""
    found: list[torch.Tensor] = []
    kernels = bare._model._kernels
    original = kernels.sum_segments

    def watched(*arguments: torch.Tensor) -> None:
        original(*arguments)
        found.append(arguments[-1].clone())

    kernels.sum_segments = watched  # type: ignore[method-assign]
    return found


@pytest.mark.parametrize("pack_tokens", [10_000, 70, 8])
def test_the_unpadded_rival_is_the_native_class(pair: CheckpointPair, lexicon: Lexicon, pack_tokens: int) -> None:
    texts = lexicon.texts(LENGTHS)
    wanted = NativeClass(pair.native, "float32").encode(texts, batch_size=3)
    packed = PackedNativeClass(pair.native, "float32", pack_tokens=pack_tokens)
    np.testing.assert_allclose(packed.encode(texts), wanted, atol=2e-6)
    np.testing.assert_allclose(packed.encode(texts[::-1]), wanted[::-1], atol=2e-6)


def test_the_model_alone_and_the_encoder_from_ids_give_the_same_sums(pair: CheckpointPair, lexicon: Lexicon) -> None:
    texts = lexicon.texts(LENGTHS)
    tasks = [None, *round_robin_tasks(len(texts) - 1)]
    packs = to_packs(lexicon, texts, 70, tasks)
    assert len(packs) > 1
    ours = load_ours(pair.original, "float32")
    sums = pool(ours, packs)
    # packs go longest first: a text's sum is its mean times its length
    states = [ours.token_states(text, task=task, prompt=False) for text, task in zip(texts, tasks, strict=True)]
    by_length = sorted(states, key=lambda one: -len(one))
    np.testing.assert_allclose(sums, [one.sum(0) for one in by_length], atol=1e-4)
    bare = BareModel(pair.original, "float32", torch.device("cpu"))
    found = watched_sums(bare)
    bare.runs(packs)()
    np.testing.assert_allclose(torch.cat(found), sums, atol=1e-3)


def test_the_graph_of_a_query_gives_the_sums_of_the_query(pair: CheckpointPair, lexicon: Lexicon) -> None:
    texts = lexicon.texts([9])
    (pack,) = to_packs(lexicon, texts, 70)
    bare = BareModel(pair.original, "float32", torch.device("cpu"))
    found = watched_sums(bare)
    bare.replays(pack)()
    assert len(found[-1]) > 1  # the smallest graph has room for more segments
    np.testing.assert_allclose(found[-1][:1], pool(load_ours(pair.original, "float32"), [pack]), atol=1e-3)


def test_the_gate_is_asked_but_does_not_refuse(pair: CheckpointPair, monkeypatch: pytest.MonkeyPatch) -> None:
    strict = replace(PRECISIONS["bfloat16"], bound=1e-9)
    monkeypatch.setitem(PRECISIONS, "bfloat16", strict)
    with pytest.raises(AccuracyError):
        load_ours(pair.original, "bfloat16")
    engine = load_ungated(pair.original, "bfloat16", "cpu", EngineOptions())
    found = measure_gate(engine, pair.original, "bfloat16")
    assert found.worst > found.bound == 1e-9
    assert precisions.verdict(found) == precisions.REFUSES
    assert precisions.verdict(replace(found, bound=1.0)) == precisions.PASSES
    assert precisions.verdict(replace(found, bound=math.inf)) == precisions.UNCHECKED


def make_bench(folder: Path, pair: CheckpointPair, lexicon: Lexicon, engines: Engines | None = None) -> Bench:
    session = Session(
        Log(folder / "run.csv", {}), Journal(folder / "run.journal"), torch.device("cpu"), 1e12, progress=lambda _: None
    )
    made = engines or Engines(pair.original, "bfloat16", "cpu", session)
    made.session = session
    return Bench(SMOKE, pair, lexicon, made, session, "bfloat16")


def test_a_wrong_engine_is_found_and_not_timed(
    tmp_path: Path, pair: CheckpointPair, lexicon: Lexicon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "COMBINATIONS", [FULL])
    monkeypatch.setattr(checks, "PEERS", ())

    def load_wrong(folder: Path, dtype: str, device: str, options: object) -> Encoder:
        encoder = load_ours(folder, dtype, device)
        encode = encoder.encode
        # the texts' vectors in the wrong order, for several texts at once alone
        encoder.encode = lambda texts, **kind: np.asarray(encode(texts, **kind))[::-1]  # type: ignore[method-assign, assignment, return-value]
        return encoder

    good = make_bench(tmp_path, pair, lexicon)
    engines = Engines(pair.original, "bfloat16", "cpu", good.session, load=load_wrong)
    bench = make_bench(tmp_path, pair, lexicon, engines)
    checks.run(bench, 0.0)  # its share of the time is over: it is checked all the same
    assert bench.engines.right() == []
    assert bench.engines.ours() is None
    failed = {row.case: row.note for row in bench.session.results().of(checks.PART, "failed")}
    assert "WrongVectorsError" in failed[FULL]
    ratios = bench.session.results().values(checks.PART, FULL, "base weights", checks.RATIO)
    assert ratios[0] > checks.ALLOWED_RATIO


def test_mistaken_vectors_are_seen() -> None:
    rng = np.random.default_rng(0)
    wanted = (1.0 + 0.1 * rng.standard_normal((6, 64))).astype(np.float32)
    check_alike("near", wanted + 1e-3 * rng.standard_normal(wanted.shape).astype(np.float32), wanted)
    with pytest.raises(WrongVectorsError, match="different texts"):
        check_alike("turned", wanted[::-1], wanted)
    with pytest.raises(WrongVectorsError):
        check_alike("short", wanted[:2], wanted)
    assert cosine_errors(wanted, wanted).max() == 0.0
