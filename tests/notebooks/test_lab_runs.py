"""How notebooks are run, and how their places end: with real kernels, and an AWS that nothing is deployed to."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from tests.support.pages import Block, blocks_of

from lab import place, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
STARTED = """
from lab import place

here = place.this_machine("infra/examples/development.toml", "model.source=nowhere")
print("AT", here.aws.settings.state_folder, flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(run, "FOLDER", tmp_path)
    return tmp_path


def write(path: Path, *sources: str) -> Path:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    nbformat.write(notebook, path)
    return path


def test_a_failing_cell_is_named_with_its_source_and_its_error_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder / "01-good.ipynb", "1 + 1")
    write(
        folder / "02-bad.ipynb",
        "def divide(one, other):\n    return one / other",
        "print('begun')\n" + "\n".join(f"n{number} = {number}" for number in range(30)) + "\ndivide(n1, n0)",
        "print('never')",
    )
    assert run.main(["--into", str(folder / "shown")]) == 1
    out = capsys.readouterr().out
    assert "01-good" in out.splitlines()[0]
    assert "FAILED, cell 2 of 3" in out
    assert "ZeroDivisionError: division by zero" in out
    assert "    print('begun')" in out
    assert len(out.splitlines()) < 20
    assert "1 of 2 ran to their end" in out
    kept = nbformat.read(folder / "shown/02-bad.ipynb", as_version=4)
    assert kept.cells[1].outputs[0].text == "begun\n"
    assert nbformat.read(folder / "02-bad.ipynb", as_version=4).cells[1].outputs == []


def test_a_kernel_that_dies_is_an_error_and_the_next_notebook_runs(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder / "01-dies.ipynb", "import os\nos._exit(3)")
    write(folder / "02-good.ipynb", "1 + 1")
    assert run.main(["--into", str(folder / "shown")]) == 1
    out = capsys.readouterr().out
    assert "its kernel died" in out
    assert "1 of 2 ran to their end" in out


def test_pictures_are_saved_by_their_cells_and_cells_may_follow(folder: Path) -> None:
    path = write(folder / "01-plots.ipynb", "import matplotlib.pyplot as plt", "plt.plot([1, 2]);")
    outcome = run.run(path, folder / "shown", ["print(2 + 2)"])
    assert [picture.name for picture in outcome.pictures] == ["01-plots-01.png"]
    assert outcome.pictures[0].read_bytes().startswith(b"\x89PNG")
    assert outcome.notebook.cells[-1].outputs[0].text == "4\n"


def test_ctrl_c_ends_the_kernel_and_all_of_the_run(tmp_path: Path) -> None:
    script = "import sys\nfrom pathlib import Path\nfrom lab import run\nrun.FOLDER = Path(sys.argv[1])\n"
    script += "sys.exit(run.main(['--into', sys.argv[1] + '/shown']))"
    marked = tmp_path / "pid"
    write(
        tmp_path / "01-long.ipynb",
        f"import os, pathlib, time\npathlib.Path({str(marked)!r}).write_text(str(os.getpid()))\ntime.sleep(100)",
    )
    write(tmp_path / "02-never.ipynb", f"import pathlib\npathlib.Path({str(tmp_path / 'never')!r}).touch()")
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        kernel = wait_for(lambda: int(marked.read_text()) if marked.exists() and marked.read_text() else 0)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=240)
    assert process.returncode == 130, out
    assert out.rstrip().endswith("stopped")
    assert "Traceback" not in out
    assert not psutil.pid_exists(kernel)
    assert not (tmp_path / "never").exists()


def wait_for(ask, limit_s: float = 60.0):
    until = time.monotonic() + limit_s
    while not (found := ask()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return found


def test_an_aws_can_be_started_again_by_the_same_cell_and_closed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "somebody-elses")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-a-notebook-instance")
    before = dict(os.environ)
    first = place.this_machine(place.EXAMPLE, "model.source=nowhere")
    second = place.this_machine(place.EXAMPLE, "model.source=nowhere")
    assert first.aws is not None
    assert second.aws is not None
    assert not first.aws.settings.state_folder.parent.exists()
    assert "AWS_PROFILE" not in os.environ
    assert "AWS_SESSION_TOKEN" not in os.environ
    assert second.boto("s3").list_buckets()["Buckets"] == []
    folder = second.aws.settings.state_folder.parent
    first.close()  # it was stopped already, and must not stop the second
    assert second.boto("sts").get_caller_identity()["Account"] == "123456789012"
    second.close()
    second.close()
    assert not folder.exists()
    assert dict(os.environ) == before


@pytest.mark.parametrize("block", blocks_of(__file__), ids=lambda block: block.place)
def test_the_pages_say_how_a_place_is_chosen(block: Block) -> None:
    said: dict[str, Any] = {}
    exec(block.text, said)
    said["here"].close()
    assert said["here"].is_standin


def test_a_deployment_that_fails_says_why_and_closes(capsys: pytest.CaptureFixture[str]) -> None:
    here = place.this_machine(place.EXAMPLE, "model.source=/there/is/none")
    try:
        with pytest.raises(place.CommandError, match=r"ended with status \d") as failed:
            here.deploy(show=True)
        assert "/there/is/none" in str(failed.value)
    finally:
        here.close()
    assert "✗ model" in capsys.readouterr().out


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_is_killed_leaves_nothing(number: signal.Signals) -> None:
    child = "import subprocess, sys, time\n"  # stands for a container: a group of its own, that knows the folder
    child += "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'], start_new_session=True, "
    child += "env={'SAGEMAKER_BASE_DIR': str(here.aws.settings.state_folder / 'one')})\ntime.sleep(300)"
    with subprocess.Popen([sys.executable, "-c", STARTED + child], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        at = next(line for line in process.stdout if line.startswith("AT")).split()[1]
        started = wait_for(lambda: [one for one in psutil.Process(process.pid).children() if knows(one, at)])
        process.send_signal(number)
    wait_for(lambda: not Path(at).parent.exists())
    _gone, alive = psutil.wait_procs(started, timeout=60)
    assert not alive


@pytest.mark.timeout(900)
def test_an_account_is_deployed_to_and_a_deployment_that_stands_is_called(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account is that of a process of its own, which these places know only by the environment, as they do AWS."""
    with subprocess.Popen(
        [sys.executable, "-m", "local_aws", "--port", "0"], stdout=subprocess.PIPE, text=True
    ) as account:
        assert account.stdout is not None
        try:
            said = "".join(itertools.islice(account.stdout, 8))
            for name, value in re.findall(r"(AWS_\w+)=(\S+)", said):
                monkeypatch.setenv(name, value)
            here = place.my_account(place.EXAMPLE, f"model.source={tiny_model}", "name=mine")
            here.deploy()
            there = place.standing("mine", region="us-east-1")
            for one in (here, there):
                with one.client() as client:
                    assert client.embed(["harbour"], task="text-matching", dimensions=32).shape == (1, 32)
            there.close()
            again = place.my_account(place.EXAMPLE, f"model.source={tiny_model}", "name=mine")
            again.deploy()
            again.close()
            assert names(here) == ["mine"]  # it stood before, so it is left
            here.close()
            assert names(here) == []
        finally:
            account.send_signal(signal.SIGTERM)


def names(here: place.Place) -> list[str]:
    return [one["EndpointName"] for one in here.boto("sagemaker").list_endpoints()["Endpoints"]]


def knows(process: psutil.Process, folder: str) -> bool:
    return folder in process.environ().get("SAGEMAKER_BASE_DIR", "")
