"""Everything that runs during the benchmark: the servers, the bare engine, the load generator; and one run of each."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import numpy as np

from benchmarks.agreement import Vectors, WrongVectorsError, check_same
from benchmarks.endpoint import programs
from benchmarks.endpoint.child import Child
from benchmarks.endpoint.dialects import Dialect
from benchmarks.endpoint.figures import Figures, Sample, of_calls, summarize
from benchmarks.endpoint.programs import Program, Setting
from benchmarks.endpoint.report import Circumstances
from benchmarks.endpoint.servers import RunningServer, ServerFailedError
from benchmarks.endpoint.workloads import Workload
from benchmarks.timing import show_progress

_TOLERANCES = {"float32": 1e-6, "bfloat16": 5e-4, "float16": 1e-4}
_BUSY_WHEN_IDLE = 0.01  # of a core: a server that takes more while nothing is asked of it is held
_START_TIMEOUT_S = 300.0
_COMPARED = 8  # messages of a workload whose answers are compared after every run


class Session:
    """Running programs over one set of weights; use as a context, and :meth:`start` first."""

    def __init__(self, setting: Setting, workloads: Mapping[str, Workload]) -> None:
        self.setting = setting
        self.workloads = workloads
        self.about = Circumstances()
        self._servers: dict[str, tuple[RunningServer, Dialect]] = {}
        self._reference: dict[str, Vectors] = {}
        self._stack = ExitStack()
        environment = programs.common_environment(setting.threads)
        self.generator = self._child("load_generator", environment=environment)
        arguments = (str(setting.pair.original.resolve()), setting.device, setting.dtype)
        self._engine = self._child("bare_engine", *arguments, environment=environment)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stack.close()

    @property
    def names(self) -> list[str]:
        """Return the ways to ask a running server, ours first."""
        return list(self._servers)

    def start(self, wanted: Iterable[Program], idle_s: float) -> None:
        """Start the servers together, wait for all, and compare their vectors with the bare engine's.

        A peer that does not start, or is wrong, is left out and said so.

        **Raises**: ``ServerFailedError``, ``WrongVectorsError`` where it is ours.
        """
        log = self.setting.scratch
        started = [RunningServer(one, log / f"{one.name.replace(' ', '-')}.log") for one in wanted]
        for server in started:
            self._stack.callback(server.stop)
        self._engine.hear()
        for name, workload in self.workloads.items():
            self._reference[name] = self._engine_vectors(workload.texts)
        for server in started:
            show_progress(f"waiting for {server.program.name}")
            try:
                server.wait_until_ready(_START_TIMEOUT_S)
                self._admit(server)
            except (ServerFailedError, WrongVectorsError) as error:
                if server.program.name == programs.OURS:
                    raise
                self._leave_out(server, error)
        self._measure_idling(idle_s)

    def run_closed(self, name: str, workload: str, clients: int, requests: int) -> Figures:
        """Put a closed loop on a server."""
        return self._load(name, workload, {"clients": clients, "requests": requests})

    def run_open(self, name: str, workload: str, arrivals_s: Sequence[float]) -> Figures:
        """Put an open loop on a server."""
        return self._load(name, workload, {"arrivals_s": list(arrivals_s)})

    def run_engine(self, workload: str, texts_a_call: int, requests: int) -> Figures:
        """Give the bare engine the same texts as a run of so many requests."""
        texts, tokens = self.workloads[workload].first(requests)
        answer = self._engine.ask({"kind": "time", "texts": texts, "batch": texts_a_call})
        return of_calls(answer["seconds"], len(texts), sum(tokens))

    def _child(self, module: str, *arguments: str, environment: Mapping[str, str]) -> Child:
        child = Child(f"benchmarks.endpoint.{module}", *arguments, environment=environment)
        return self._stack.enter_context(child)

    def _admit(self, server: RunningServer) -> None:
        """Warm a server up with the texts that are compared, and compare them."""
        program = server.program
        for name, dialect in {program.name: program.dialect, **program.extra}.items():
            self._servers[name] = server, dialect
            for workload in self.workloads.values():
                self._path(name, workload.name).write_text(
                    json.dumps([dialect.message([text]).decode() for text in workload.texts])
                )
                figures = self.run_closed(name, workload.name, 2, _COMPARED)
                if figures.failed:
                    raise ServerFailedError(f"{name}: answered {figures.errors} to its first requests")

    def _leave_out(self, server: RunningServer, error: Exception) -> None:
        name = server.program.name
        self.about.missing[name] = str(error).removeprefix(f"{name}: ")
        self._servers.pop(name, None)
        server.stop()

    def _load(self, name: str, workload: str, command: dict[str, Any]) -> Figures:
        server, _ = self._servers[name]
        server.release()
        common = {"port": server.port, "messages": str(self._path(name, workload)), "keep": list(range(_COMPARED))}
        answer = self.generator.ask(common | command)
        if server.program.name in self.about.held:
            server.hold()
        samples = [Sample(*one) for one in answer["samples"]]
        self._compare(name, workload, {int(at): base64.b64decode(body) for at, body in answer["bodies"].items()})
        return summarize(samples, self.workloads[workload].tokens, answer["cpu_s"])

    def _compare(self, name: str, workload: str, bodies: Mapping[int, bytes]) -> None:
        """Hold some of a run's answers against the engine's vectors.

        **Raises**: ``WrongVectorsError``.
        """
        if not bodies:
            return
        places = sorted(bodies)
        vectors = np.concatenate([self._servers[name][1].read(bodies[at]) for at in places])
        error = check_same(name, vectors, self._reference[workload][places], _TOLERANCES[self.setting.dtype])
        self.about.errors[name] = max(error, self.about.errors.get(name, 0.0))

    def _engine_vectors(self, texts: Sequence[str]) -> Vectors:
        answer = self._engine.ask({"kind": "vectors", "texts": list(texts)})
        return np.frombuffer(base64.b64decode(answer["vectors"]), "<f4").reshape(answer["shape"])

    def _measure_idling(self, seconds: float) -> None:
        for name, (server, _) in self._servers.items():
            if name == server.program.name:
                share = self.about.idle[name] = server.idle_share(seconds)
                if share > _BUSY_WHEN_IDLE:
                    self.about.held.append(name)
                    server.hold()

    def _path(self, name: str, workload: str) -> Any:
        return self.setting.scratch / f"{name.replace(' ', '-')}-{workload}.json"
