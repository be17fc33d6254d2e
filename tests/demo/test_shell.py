"""A shell of somebody with an account of their own reaches the demo, and nothing else, by the file that it leaves."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from demo import shell

HERE = {"AWS_ENDPOINT_URL": "http://localhost:4711", "AWS_ACCESS_KEY_ID": "testing", "AWS_REGION": "us-east-1"}
THEIRS = {
    "AWS_PROFILE": "work",
    "AWS_SESSION_TOKEN": "a token=with/signs",
    "AWS_ENDPOINT_URL_S3": "https://s3.example.com",
    "AWS_REGION": "eu-west-1",
    "JINA_V3_ENDPOINT": "texts",
    "NO_PROXY": "example.com",
}
SHELLS = [name for name in ("sh", "bash", "dash", "zsh") if shutil.which(name)]


def seen_by(program: str, *words: str) -> dict[str, str]:
    """Return the variables of a program that looks at its own, started in somebody's shell."""
    run = subprocess.run(
        [program, *words], env={"PATH": os.environ["PATH"], **THEIRS}, capture_output=True, text=True, check=True
    )
    assert run.stderr == ""
    return dict(line.split("=", 1) for line in run.stdout.splitlines() if "=" in line)


@pytest.mark.parametrize("program", SHELLS)
def test_a_shell_that_reads_the_file_calls_the_demo_alone(program: str, tmp_path: Path) -> None:
    with shell.offered(shell.shell_commands(HERE, "jina-v3-dev"), tmp_path / "made for it" / "demo.env") as file:
        seen = seen_by(program, "-ec", f". '{file}'; env")
    assert {name: value for name, value in seen.items() if name.startswith("AWS_")} == HERE
    assert {name: value for name, value in seen.items() if name.startswith("JINA")} == {
        "JINA_V3_DEPLOYMENT": "jina-v3-dev"
    }
    assert seen["NO_PROXY"] == "localhost,127.0.0.1,example.com"
    assert seen["no_proxy"] == "localhost,127.0.0.1"
    assert Path(seen["PATH"].split(":")[0]) == Path(sys.executable).parent


def test_a_process_leaves_its_users_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {**THEIRS, "no_proxy": "", "HOME": "/home/somebody"})
    shell.leave_own_accounts()
    assert os.environ == {
        "HOME": "/home/somebody",
        "JINA_V3_ENDPOINT": "texts",
        "NO_PROXY": "localhost,127.0.0.1,example.com",
        "no_proxy": "localhost,127.0.0.1",
    }


def test_the_file_goes_with_the_demo_but_not_with_an_earlier_one(tmp_path: Path) -> None:
    place = tmp_path / "demo.env"
    with shell.offered("first\n", place):
        with shell.offered("second\n", place):
            assert place.read_text() == "second\n"
        assert not place.exists()
        place.write_text("third\n")
    assert place.read_text() == "third\n"
