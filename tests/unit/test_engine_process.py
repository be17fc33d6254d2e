"""Engine processes: which there are, what crosses to them, and what is known when one is gone."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jina_v3.serving.context import RequestContext
from jina_v3.serving.engine.process import (
    CallFailedError,
    EngineLostError,
    EngineProcess,
    NotLoadedError,
    engine_environments,
)
from jina_v3.tokens.sequences import NO_TASK, TokenSequence, lay_out

THREE = {"CUDA_VISIBLE_DEVICES": "2,GPU-abc, 5"}


def devices(*arguments) -> list[str | None]:
    return [environment.get("CUDA_VISIBLE_DEVICES") for environment in engine_environments(*arguments)]


def test_one_engine_for_each_visible_gpu():
    assert devices({**THREE, "A": "b"}, None, None) == ["2", "GPU-abc", "5"]
    assert devices(THREE, None, "cuda") == ["2", "GPU-abc", "5"]
    assert devices(THREE, 2, None) == ["2", "GPU-abc"]
    assert devices(THREE, 4, None) == ["2", "GPU-abc", "5", "2"]
    assert devices(THREE, None, "cuda:1") == ["2,GPU-abc, 5"]  # that one alone, by the encoder's own choice
    assert devices(THREE, None, "cpu") == ["2,GPU-abc, 5"]
    assert devices({"CUDA_VISIBLE_DEVICES": ""}, None, None) == [""]
    second = engine_environments({**THREE, "A": "b", "JINA_V3_DEVICE": "auto"}, None, None)[1]
    assert second == {"CUDA_VISIBLE_DEVICES": "GPU-abc", "A": "b", "JINA_V3_DEVICE": "cuda"}


def test_engines_on_the_cpu_share_the_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert engine_environments({}, 1, "cpu") == [{}]
    assert engine_environments({}, 3, "cpu") == [{"OMP_NUM_THREADS": "2"}] * 3
    assert engine_environments({"OMP_NUM_THREADS": "7"}, 3, "cpu") == [{"OMP_NUM_THREADS": "7"}] * 3


def test_the_server_loads_no_torch():
    code = (
        "import sys, jina_v3.serving.server, jina_v3.serving.handler; print([m for m in sys.modules if 'torch' in m])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


# the real process

HANDLERS = """
import os
from jina_v3.encoder import Encoder

class Brittle(Encoder):
    def submit(self, batch):
        if batch.ids[0] == 7:
            raise KeyError("a batch that fails")
        return super().submit(batch)

def model_fn(folder):
    return Brittle.from_folder(folder) if os.environ["WHAT"] == "encoder" else object()

def input_fn(body, content_type):
    return body, content_type

def output_fn(prediction, accept, context):
    context.set_response_status(201)
    return repr(prediction), "text/x-python"
"""

PREDICT = """
def predict_fn(data, model):
    if data[0] == b"die":
        os._exit(3)
    return data
"""


@pytest.fixture
def base(tiny_model: Path, tmp_path: Path) -> Path:
    (tmp_path / "model" / "code").mkdir(parents=True)
    for file in tiny_model.iterdir():
        (tmp_path / "model" / file.name).symlink_to(file)
    (tmp_path / "model" / "code" / "inference.py").write_text(HANDLERS)
    return tmp_path


def run(base: Path, what: str, use, timeout_s: float = 60) -> list[int]:
    """Start an engine, use it, end it; return the numbers of those that were lost."""
    lost: list[int] = []

    async def go():
        engine = EngineProcess(4, timeout_s, lambda one: lost.append(one.number))
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("JINA_V3_", "SAGEMAKER_"))},
            "SAGEMAKER_BASE_DIR": str(base),
            "JINA_V3_DEVICE": "cpu",
            "OMP_NUM_THREADS": "1",
            "WHAT": what,
        }
        try:
            await use(engine, await engine.start(environment))
        finally:
            await engine.end()
            assert engine.pid is not None
            with pytest.raises(ProcessLookupError):
                os.kill(engine.pid, 0)

    asyncio.run(go())
    return lost


def batch_of(first: int):
    return lay_out([TokenSequence(np.array([first, 5, 2]), NO_TASK, ((3, 0),))], rows=1)


def test_an_encoder_with_settings_of_the_users_is_batched_for(base):
    async def use(engine, model):
        assert model is not None
        assert (model.hidden, model.device, model.dtype) == (64, "cpu", "float32")
        assert model.tokens_per_s > 0
        assert model.sequencer.folder == base / "model"
        encoded = await engine.encode(batch_of(0))
        assert (encoded.sums.shape, encoded.sums.dtype) == ((1, 64), np.float32)
        assert encoded.device_s > 0
        both = await asyncio.gather(engine.encode(batch_of(7)), engine.encode(batch_of(0)), return_exceptions=True)
        assert isinstance(both[0], CallFailedError)  # and only it
        assert (both[1].sums == encoded.sums).all()
        assert engine.in_flight == 0

    assert run(base, "encoder", use) == []


OVERLAPPING = """
import os, threading
from pathlib import Path
from types import SimpleNamespace
from jina_v3.encoder import Encoder
from jina_v3.serving.engine import answers

class Device:
    '''One batch at a time, each for twice as many ms of its own clock as its first id.

    200 waits until the next is there too, 300 never comes back, 9 breaks the device, 8 is one that fails.
    '''

    def __init__(self):
        self.now = self.free_at = 0.0
        self.given = 0
        self.more = threading.Condition()

    def begin(self):
        with self.more:
            self.given += 1
            self.more.notify_all()
            return self.given

    def end(self, first, number):
        with self.more:
            if first == 300:
                (Path(os.environ["SAGEMAKER_BASE_DIR"]) / "waits").touch()
            if first in (200, 300):
                assert self.more.wait_for(lambda: first == 200 and self.given > number, 120)
            self.now = self.free_at = self.free_at + first / 500

class Pending:
    def __init__(self, first, sums, device):
        self.first, self.sums, self.device = first, sums, device
        self.number = device.begin()

    def result(self):
        self.device.end(self.first, self.number)
        if self.first == 8:
            raise KeyError("a batch that fails when it comes back")
        if self.first == 9:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return self.sums

class Overlapping(Encoder):
    in_flight = 2
    pace = Device()

    def submit(self, batch):
        if batch.ids[0] == 7:
            raise KeyError("a batch that cannot be begun")
        return Pending(int(batch.ids[0]), super().submit(batch).result(), self.pace)

def model_fn(folder):
    encoder = Overlapping.from_folder(folder)
    answers.time = SimpleNamespace(perf_counter=lambda: encoder.pace.now)
    return encoder
"""


@pytest.fixture
def overlapping(base: Path) -> Path:
    (base / "model" / "code" / "inference.py").write_text(OVERLAPPING)
    return base


def test_two_batches_overlap_and_keep_their_answers(overlapping):
    async def use(engine, model):
        assert model.details["kernels"] == "torch"
        alone = [(await engine.encode(batch_of(first))).sums for first in (11, 12)]
        ended: list[int] = []

        async def encode(first: int):
            try:
                return await engine.encode(batch_of(first))
            finally:
                ended.append(first)

        firsts = [200, 11, 7, 12, 8, 201]
        answers = await asyncio.gather(*map(encode, firsts), return_exceptions=True)
        assert ended == firsts  # in the order in which they came
        assert [isinstance(one, CallFailedError) for one in answers] == [False, False, True, False, True, False]
        assert (answers[1].sums == alone[0]).all()
        assert (answers[3].sums == alone[1]).all()
        times = [answers[index].device_s for index in (0, 1, 3, 5)]
        assert times == pytest.approx([0.4, 0.022, 0.024, 0.402])  # the wait for the one before it is not its own

    assert run(overlapping, "encoder", use) == []


def test_a_device_that_is_lost_with_two_in_flight_fails_both(overlapping):
    async def use(engine, model):
        calls = [engine.encode(batch_of(first)) for first in (200, 9, 201, 11)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert answers[0].sums.shape == (1, 64)
        assert all(isinstance(one, EngineLostError) for one in answers[1:])
        assert await asyncio.to_thread(engine._process.wait, 60) is not None

    assert run(overlapping, "encoder", use) == [4]


def test_a_server_that_goes_with_two_in_flight_leaves_no_process(overlapping):
    async def use(engine, model):
        calls = [asyncio.ensure_future(engine.encode(batch_of(first))) for first in (300, 301)]
        while not (overlapping / "waits").exists():
            await asyncio.sleep(0.01)
        engine._ending = True
        engine._writer.close()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(one, EngineLostError) for one in answers)
        assert await asyncio.to_thread(engine._process.wait, 60) == 0

    assert run(overlapping, "encoder", use) == []


def test_another_model_gets_whole_requests(base):
    (base / "model" / "code" / "inference.py").write_text(HANDLERS + PREDICT)

    async def use(engine, model):
        assert model is None
        context = RequestContext("POST", "/invocations", {}, "id")
        invoked = await engine.invoke(b"abc", "text/x", None, context)
        assert invoked.body == b"(b'abc', 'text/x')"
        assert (invoked.context.status, invoked.context.content_type) == (201, "text/x-python")
        with pytest.raises(EngineLostError):
            await engine.invoke(b"die", "text/x", None, context)
        assert engine.is_lost
        with pytest.raises(EngineLostError):
            await engine.invoke(b"abc", "text/x", None, context)
        assert await asyncio.to_thread(engine._process.wait, 60) is not None

    assert run(base, "object", use) == [4]


@pytest.mark.parametrize(("number", "timeout_s"), [(signal.SIGKILL, 60), (signal.SIGSTOP, 0.5)])
def test_a_process_that_is_killed_or_hangs_is_lost_and_said_to_be(base, number, timeout_s, caplog):
    async def use(engine, model):
        assert model is not None
        os.kill(engine.pid, number)
        with pytest.raises(EngineLostError):
            await engine.encode(batch_of(0))
        assert engine.is_lost

    assert run(base, "encoder", use, timeout_s) == [4]
    (line,) = [record.fields for record in caplog.records if record.getMessage().startswith("an engine is gone")]
    assert line["engine"] == 4  # though the server ends at once


def test_a_model_that_cannot_be_loaded(base):
    (base / "model" / "config.json").unlink()

    async def use(_engine, _model):
        raise AssertionError

    with pytest.raises(NotLoadedError, match=r"no config\.json"):
        run(base, "encoder", use)


def test_a_process_that_ends_while_it_loads(base):
    (base / "model" / "code" / "inference.py").write_text("import os; os._exit(9)")

    async def use(_engine, _model):
        raise AssertionError

    with pytest.raises(EngineLostError, match="exit status 9"):
        run(base, "encoder", use)
