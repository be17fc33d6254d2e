"""``serve`` over an engine whose pace a test sets, and a look inside at its processes and numbers."""

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
from tests.support.load import Answer, ask, close_all, message
from tests.support.serving import SERVE, ServeProcess

SCENARIO_S = 240

PACED = """
import time
from pathlib import Path
from jina_v3.serving.handler import model_fn as load

def model_fn(model_dir):
    encoder = load(model_dir)
    submit, pace = encoder.submit, Path(model_dir).with_name("pace")
    known, left = None, 0

    def may_pass(word):
        nonlocal known, left
        if word != known:
            known, left = word, int(word.split()[1])
        left -= 1
        return left >= 0

    def paced(batch):
        while (word := pace.read_text()).startswith("hold") and not may_pass(word):
            time.sleep(0.005)
        time.sleep(0 if word.startswith("hold") else float(word))
        return submit(batch)

    encoder.submit = paced
    return encoder
"""
"""Our encoder, which the server batches for, with a pause before each batch, or until the test lets it go on."""


class PacedServer(ServeProcess):
    """``serve`` whose engines take ``pace`` seconds longer for each batch."""

    def __init__(
        self,
        folder: Path,
        model: Path,
        environment: Mapping[str, str] | None = None,
        *,
        pace: float = 0,
        program: str = PACED,
        command: Sequence[str | Path] = (SERVE, "serve"),
    ) -> None:
        code = folder / "model" / "code"
        code.mkdir(parents=True)
        for file in model.iterdir():
            (folder / "model" / file.name).symlink_to(file)
        (code / "inference.py").write_text(program)
        self._pace = folder / "pace"
        self._holds = 0
        self.pace(pace)
        super().__init__(folder, environment, command)

    def pace(self, seconds: float) -> None:
        """Let each batch take so much longer from now on."""
        self._write_pace(str(seconds))

    def hold(self, after: int = 0) -> None:
        """Let no batch end until ``pace`` is set again, but for so many of each engine that it has still to begin."""
        self._holds += 1
        self._write_pace(f"hold {after} {self._holds}")

    @functools.cached_property
    def port(self) -> int:
        return int(self.wait_for_log("listening")["port"])

    @property
    def front(self) -> psutil.Process:
        return psutil.Process(self.pid)

    def engines(self) -> list[psutil.Process]:
        return [child for child in self.front.children() if "jina_v3.serving.engine" in child.cmdline()]

    def connections(self) -> int:
        """How many connections of clients the server has."""
        return sum(one.status == psutil.CONN_ESTABLISHED for one in self.front.net_connections("tcp"))

    def rss_mb(self) -> float:
        """Memory of the server and its engines."""
        return sum(process.memory_info().rss for process in [self.front, *self.engines()]) / 2**20

    async def ask(self, body: bytes, **headers: str) -> Answer:
        return await ask(self.port, message(body, **headers))

    async def ping(self) -> int:
        return (await ask(self.port, message(method="GET", path="/ping"))).status

    async def metrics(self) -> dict[str, float]:
        """Each sample by its name, with its labels if it has any, without the prefix."""
        answer = await ask(self.port, message(method="GET", path="/metrics"))
        lines = [line for line in answer.body.decode().splitlines() if not line.startswith("#")]
        return {name.removeprefix("jina_v3_"): float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    def _write_pace(self, text: str) -> None:
        new = self._pace.with_suffix(".new")
        new.write_text(text)
        new.rename(self._pace)


def are_gone(processes: list[psutil.Process]) -> bool:
    return not any(map(_is_there, processes))


def _is_there(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # gone between the two
        return False


async def until(what: Callable[[], Any], timeout_s: float = 120) -> None:
    """Wait until it is true; ``what`` may be a coroutine function."""
    async with asyncio.timeout(timeout_s):
        while True:
            true = what()
            if inspect.isawaitable(true):
                true = await true
            if true:
                return
            await asyncio.sleep(0.02)


def scenario(test: Callable[..., Awaitable[None]], limit_s: float = SCENARIO_S) -> Callable[..., None]:
    """Run an asynchronous test in an event loop of its own, for a bounded time."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        async def bounded() -> None:
            try:
                async with asyncio.timeout(limit_s):
                    await test(*arguments, **named)
            finally:
                await close_all()

        asyncio.run(bounded())

    return run
