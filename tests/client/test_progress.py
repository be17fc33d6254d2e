"""Progress: a bar for a terminal and long work, a function's counts, and never a byte into a pipe."""

import io
import sys

import pytest

from jina_v3_client._clients import progress as _progress
from jina_v3_client._clients.progress import reported


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """Time as the test sets it."""
    now = [100.0]
    monkeypatch.setattr(_progress.time, "monotonic", lambda: now[0])
    return now


def stderr(monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    return stream


def test_a_function_gets_how_many_are_done_and_of_how_many():
    told = []
    with reported(lambda *counts: told.append(counts), 5) as reach:
        reach(2)
        reach(2)  # nothing new
        reach(5)
    assert told == [(2, 5), (5, 5)]


@pytest.mark.parametrize("progress", [None, True, False])
def test_a_pipe_gets_nothing(monkeypatch, clock, progress):
    stream = stderr(monkeypatch, io.StringIO())
    with reported(progress, 10) as reach:
        clock[0] += 60
        reach(5)
    assert stream.getvalue() == ""


def test_no_standard_error_is_no_trouble(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    with reported(True, 10) as reach:
        reach(5)


def test_short_work_shows_no_bar(monkeypatch, clock):
    stream = stderr(monkeypatch, Terminal())
    with reported(None, 10) as reach:
        clock[0] += 0.5
        reach(5)
        clock[0] += 9
        reach(10)  # the last of them: there is nothing left to wait for
    assert stream.getvalue() == ""


def test_long_work_shows_a_bar_with_its_counts_and_it_goes(monkeypatch, clock):
    stream = stderr(monkeypatch, Terminal())
    out = sys.stdout
    with reported(None, 10) as reach:
        clock[0] += 2
        reach(5)
        assert "5/10" in stream.getvalue()
        assert (sys.stdout, sys.stderr) == (out, stream)  # what the program prints is not ours to take
        shown = len(stream.getvalue())
        reach(6)  # a moment later: not drawn again
        assert len(stream.getvalue()) == shown
    assert stream.getvalue().endswith("\x1b[2K")


def test_true_shows_the_bar_at_once_and_false_never(monkeypatch, clock):
    stream = stderr(monkeypatch, Terminal())
    with reported(False, None) as reach:
        clock[0] += 60
        reach(5)
    assert stream.getvalue() == ""
    with reported(True, None) as reach:
        reach(5)
        assert "5/?" in stream.getvalue()


def test_only_one_bar_is_there_at_a_time_and_the_next_one_can_be(monkeypatch, clock):
    stream = stderr(monkeypatch, Terminal())
    with reported(True, 7) as first, reported(True, 8) as second:
        first(1)
        second(1)
        assert "1/7" in stream.getvalue()
        assert "1/8" not in stream.getvalue()
    with reported(True, 9) as third:
        third(1)
        assert "1/9" in stream.getvalue()


def test_an_error_takes_the_bar_away(monkeypatch, clock):
    stderr(monkeypatch, Terminal())

    def fail():
        with reported(True, 7) as reach:
            reach(1)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert _progress._ONE_AT_A_TIME.acquire(blocking=False)
    _progress._ONE_AT_A_TIME.release()
