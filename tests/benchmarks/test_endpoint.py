"""The endpoint benchmark from end to end, with a real server and a tiny model."""

import csv
from pathlib import Path

import pytest
from benchmarks import bench_endpoint
from benchmarks.endpoint import programs
from benchmarks.endpoint.measure import RATES
from benchmarks.endpoint.session import Session

ARGUMENTS = ["--smoke", "--server-only", "--rounds", "1"]


@pytest.mark.slow
def test_server_only_run_measures_every_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(programs, "PEERS_PYTHON", tmp_path / "none")  # no plot: it is another environment's matplotlib
    folders = ["--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")]
    assert bench_endpoint.main([*ARGUMENTS, *folders]) == 0, capsys.readouterr().err
    with (tmp_path / "out" / "endpoint.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    _check_closed([row for row in rows if row["kind"] == "closed loop"])
    opened = [row for row in rows if row["kind"] == "open loop"]
    assert [row["load"] for row in opened] == [rate.label for rate in RATES]
    assert all(row["server"] == programs.OURS and float(row["rate_s"]) > 0 for row in opened)
    assert {row["clients"] for row in rows if row["kind"] == "load generator"} == {"1", "8", "64"}
    assert {"output_fn, JSON floats", "output_fn, base64"} < {row["server"] for row in rows}
    for row in rows:
        assert int(row["requests"]) > 0
        assert row["errors"] == ""
        assert 0 < float(row["p50_ms"]) <= float(row["p95_ms"])
    text = (tmp_path / "out" / "endpoint.md").read_text(encoding="utf-8")
    assert "without meaning" in text
    assert text.count("not measured") == 2  # the two targets that need a peer


def _check_closed(rows: list[dict[str, str]]) -> None:
    servers = {programs.OURS, programs.OURS_BASE64, programs.ENGINE}
    for workload in ("queries", "documents"):
        for clients in bench_endpoint.CLIENTS:
            found = {r["server"]: r for r in rows if (r["workload"], r["clients"]) == (workload, str(clients))}
            assert set(found) == ({programs.OURS} if clients == 8 else servers)
            assert {row["requests"] for row in found.values()} == {str(max(clients, 8))}
            assert all(float(row["requests_s"]) > 0 and float(row["tokens_s"]) > 0 for row in found.values())


def test_wrong_vectors_void_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    true_vectors = Session._engine_vectors
    monkeypatch.setattr(Session, "_engine_vectors", lambda session, texts: true_vectors(session, texts)[::-1])
    monkeypatch.setattr(programs, "PEERS_PYTHON", tmp_path / "none")
    folders = ["--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")]
    assert bench_endpoint.main([*ARGUMENTS, *folders]) == 1
    assert "ours: 1-cos" in capsys.readouterr().err
    assert len((tmp_path / "out" / "endpoint.csv").read_text().splitlines()) == 1


def test_unknown_case_is_named_with_those_that_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench_endpoint.main(["--smoke", "--only", "queries@3", "--out", str(tmp_path)]) == 2
    assert "queries@64" in capsys.readouterr().err
