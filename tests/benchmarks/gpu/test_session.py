"""A run goes on past what fails, writes it down, and keeps to its time."""

from pathlib import Path

import pytest
import torch
from benchmarks.gpu.journal import Journal
from benchmarks.gpu.rows import Log, Results, Row
from benchmarks.gpu.session import DeviceLostError, Session, UnavailableError
from benchmarks.timing import Variant


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def open_session(folder: Path, clock: Clock | None = None) -> Session:
    log = Log(
        folder / "run.csv", {"date": "2026-01-02", "commit": "abc", "device": "a device", "precision": "bfloat16"}
    )
    journal = Journal(folder / "run.journal")
    return Session(log, journal, torch.device("cpu"), 100.0, clock=clock or Clock(), progress=lambda _: None)


def fail(message: str = "out of something\nand a long trace") -> None:
    raise RuntimeError(message)


def test_a_failure_is_written_with_its_first_line_and_the_rest_goes_on(tmp_path: Path) -> None:
    session = open_session(tmp_path)
    assert session.attempt("part", "case", "bad", fail) is None
    assert session.attempt("part", "case", "good", lambda: 7) == 7
    (row,) = session.results().rows
    assert (row.part, row.case, row.variant, row.unit) == ("part", "case", "bad", "failed")
    assert row.note == "RuntimeError: out of something"


def test_what_failed_is_not_tried_again_by_the_next_process(tmp_path: Path) -> None:
    open_session(tmp_path).attempt("part", "case", "bad", fail)
    again = open_session(tmp_path)
    assert again.attempt("part", "case", "bad", lambda: pytest.fail("it was run again")) is None
    assert len(again.results().rows) == 1


def test_a_case_that_ended_is_passed_over_and_one_left_open_is_run(tmp_path: Path) -> None:
    ran: list[str] = []
    first = open_session(tmp_path)
    first.case("part", "done", 9.0, lambda: ran.append("done"))
    first.journal.begin("part/open/")  # the process dies here
    second = open_session(tmp_path)
    for case in ("done", "open"):
        second.case("part", case, 9.0, lambda case=case: ran.append(case))
    assert ran == ["done", "open"]


def test_absence_is_no_failure(tmp_path: Path) -> None:
    session = open_session(tmp_path)

    def absent() -> None:
        raise UnavailableError("it is not installed")

    session.attempt("part", "case", "peer", absent)
    assert [(row.unit, row.note) for row in session.results().rows] == [("absent", "it is not installed")]


def test_a_case_without_time_is_cut_and_said_to_be(tmp_path: Path) -> None:
    session = open_session(tmp_path)
    session.case("part", "late", 0.1, lambda: pytest.fail("there was no time for it"))
    assert [(row.case, row.unit) for row in session.results().rows] == [("late", "cut")]


def test_time_left_over_goes_to_the_later_cases(tmp_path: Path) -> None:
    clock = Clock()
    session = open_session(tmp_path, clock)
    limits = session.limits(60.0, [1.0, 1.0, 1.0])
    assert next(limits) == pytest.approx(20.0)
    clock.now = 10.0  # half of it was used
    assert next(limits) == pytest.approx(25.0)
    clock.now = 70.0
    assert next(limits) == 0.0


def test_a_variant_that_fails_in_a_round_keeps_its_earlier_times_and_leaves_the_others_alone(tmp_path: Path) -> None:
    session = open_session(tmp_path)
    calls = {"n": 0}

    def fragile() -> None:
        calls["n"] += 1
        if calls["n"] == 4:  # two are the warm-up, one is the first round
            fail()

    variants = [Variant("steady", lambda: None), Variant("fragile", fragile), Variant("broken", fail)]
    timings = session.rounds("part", "case", 5, variants, most=4, limit_s=50.0)
    assert timings.rounds("steady") == 4
    assert timings.rounds("fragile") == 1
    assert "broken" not in timings.seconds
    failed = {row.variant for row in session.results().of("part", "failed")}
    assert failed == {"fragile", "broken"}
    assert calls["n"] == 4
    read = session.results().timings("part", "case")
    assert (read.rounds("steady"), read.rounds("fragile")) == (4, 1)


def test_a_lost_device_ends_the_process_but_blames_the_variant_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = open_session(tmp_path)
    session.device = torch.device("cuda", 0)
    broken = {"is": False}

    def synchronize(_: object) -> None:
        if broken["is"]:
            fail("an illegal memory access was encountered")

    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)

    def break_device() -> None:
        broken["is"] = True

    variants = [Variant("steady", lambda: None), Variant("wild", break_device)]
    with pytest.raises(DeviceLostError, match="illegal memory access"):
        session.case("part", "case", 9.0, lambda: session.rounds("part", "case", 5, variants, most=2, limit_s=9.0))
    broken["is"] = False
    again = open_session(tmp_path)
    again.case("part", "case", 9.0, lambda: again.rounds("part", "case", 5, variants, most=2, limit_s=9.0) and None)
    assert set(again.results().timings("part", "case").seconds) == {"steady"}


def test_a_half_written_line_is_passed_over(tmp_path: Path) -> None:
    session = open_session(tmp_path)
    session.log.add(Row("part", "case", "a", "s", 1.5, 1, 10, 3.0))
    text = session.log.path.read_text()
    session.log.path.write_text(text + text.splitlines()[-1][:-6])
    assert [row.value for row in Results.read(session.log.path).rows] == [1.5]
    open_session(tmp_path).log.add(Row("part", "case", "b", "s", 2.5, 1))  # the next process begins a line of its own
    assert [row.value for row in Results.read(session.log.path).rows] == [1.5, 2.5]
