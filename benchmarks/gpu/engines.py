"""Our encoder in each combination of its options, loaded once and kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.gpu.journal import OK
from benchmarks.gpu.rows import SECONDS, Results, Row
from benchmarks.gpu.session import Session, UnavailableError
from benchmarks.gpu.ungated import load_ungated
from jina_v3.encoder import Encoder
from jina_v3.encoder.options import EngineOptions

LOAD = "load"
ENGINES = "engines"
FACTS = ("kernels", "attention", "short_attention_tokens", "graphs", "graphs_ms", "overlap", "max_batch_tokens")
"""What an engine says of itself, as far as it is wanted in a table; with ``auto`` only it knows."""
TIME_TO_LOAD = "from the folder to the engine"
FULL = "all techniques"
GRAPHS_OFF = "no graphs"
PORTABLE = "all off (the portable pass)"
"""It has no graphs, no streams for copies and an attention of its own; of the options it heeds none."""
SDPA = "attention: sdpa (no graphs)"
FLASH3 = "attention: flash3"
COMBINATIONS: dict[str, EngineOptions] = {
    FULL: EngineOptions(),
    PORTABLE: EngineOptions(kernels="torch"),
    GRAPHS_OFF: EngineOptions(graphs=False),
    "no overlap": EngineOptions(overlap=False),
    "no short attention (flash for all)": EngineOptions(attention="flash"),
    "attention: cudnn": EngineOptions(attention="cudnn"),
    SDPA: EngineOptions(attention="sdpa"),
}


@dataclass(slots=True)
class Engines:
    """Loads engines on demand; one that cannot be had, or whose vectors were wrong, is ``None``."""

    folder: Path
    dtype: str
    device: str
    session: Session
    load: Callable[[Path, str, str, EngineOptions], Encoder] = field(default=load_ungated)
    _loaded: dict[str, Encoder] = field(default_factory=dict)

    def get(self, name: str) -> Encoder | None:
        """Return the engine of :data:`COMBINATIONS` under this name, or that with FlashAttention 3."""
        options = EngineOptions(attention="flash3") if name == FLASH3 else COMBINATIONS[name]
        return self._get(name, self.dtype, options)

    def in_precision(self, dtype: str) -> Encoder | None:
        """Return the engine with all techniques in another precision, whether the gate would refuse it or not."""
        return self._get(dtype, dtype, EngineOptions())

    def right(self) -> list[str]:
        """Return the combinations whose vectors have been found right, the full one first."""
        return [name for name in COMBINATIONS if self.session.journal.outcome(f"checks/{name}/") == OK]

    def ours(self) -> Encoder | None:
        """Return the engine that counts as ours: the full one, or the first combination that is right."""
        for name in self.right():
            engine = self.get(name)
            if engine is not None:
                return engine
        return None

    def drop(self, *names: str) -> None:
        """Let engines go, all where none are named, so that the device's memory is free."""
        for name in names or tuple(self._loaded):
            self._loaded.pop(name, None)

    def _get(self, name: str, dtype: str, options: EngineOptions) -> Encoder | None:
        if name not in self._loaded:
            engine = self.session.attempt(LOAD, name, "", lambda: self._load(name, dtype, options))
            if engine is None:
                return None
            self._loaded[name] = engine
        return self._loaded[name]

    def _load(self, name: str, dtype: str, options: EngineOptions) -> Encoder:
        begun = time.perf_counter()
        try:
            engine = self.load(self.folder, dtype, self.device, options)
        except ValueError as reason:  # a choice that this device cannot serve
            raise UnavailableError(str(reason)) from reason
        self.session.log.add(Row(LOAD, name, TIME_TO_LOAD, SECONDS, time.perf_counter() - begun, 1))
        details = {**engine.details, "max_batch_tokens": engine.max_batch_tokens}
        self.session.log.add_facts({fact: str(details[fact]) for fact in FACTS if fact in details}, _facts_case(name))
        return engine


def engine_facts(results: Results) -> dict[str, dict[str, str]]:
    """Return what each engine that was loaded has said of itself."""
    cases = dict.fromkeys(row.case for row in results.of("facts") if row.case.startswith(_facts_case("")))
    return {case.removeprefix(_facts_case("")): results.facts(case) for case in cases}


def _facts_case(name: str) -> str:
    return f"{ENGINES}: {name}"
