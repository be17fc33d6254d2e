"""Every shell block of the pages is run, in one account on this machine with one deployment.

The blocks that deploy come first; that which destroys with all data is the last. ``tests/support/page_program.py`` says
what is run and what is held by another test.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.page_account import NAME, REGION, PageAccount
from tests.support.pages import Block, blocks_of

from local_aws.server import LocalAws
from local_aws.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

BLOCKS = blocks_of(__file__)
PYTHON = [block for block in BLOCKS if block.language == "python"]
REPORT = next(block for block in BLOCKS if block.language == "text")
LAST = "--delete-data"


def order(block: Block) -> int:
    return 2 if LAST in block.text else 0 if "jina-v3-infra preflight " in block.text else 1


SHELL = sorted((block for block in BLOCKS if block.language == "sh"), key=order)
by_place = pytest.mark.parametrize("block", SHELL[:-1], ids=lambda block: block.place)


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory, wide_model: Path) -> Iterator[PageAccount]:
    with LocalAws(Settings(state_folder=tmp_path_factory.mktemp("aws"), quota=100)) as aws:
        account = PageAccount(aws, wide_model, tmp_path_factory.mktemp("home"))
        yield account
        account.close()


def test_the_first_block_deploys(account: PageAccount) -> None:
    said = account.run(SHELL[0])
    assert NAME in said
    account.learn()
    states = account.aws.client("stepfunctions", REGION)
    states.start_execution(
        stateMachineArn=account.text(Block("", 0, "sh", "ARN")),
        name="RUN",
        input='{"dataset": "s3://bucket/documents/", "task": "retrieval.passage"}',
    )


@by_place
def test_a_block_runs(account: PageAccount, block: Block) -> None:
    if block is not SHELL[0]:
        account.run(block)


def test_the_variables_are_those_that_everything_needs(account: PageAccount) -> None:
    (block,) = (block for block in SHELL if "export AWS_ENDPOINT_URL" in block.text)
    exported = dict(re.findall(r"([A-Z_0-9]+)=(\S+)", account.text(block)))
    wanted = account.aws.environment(REGION)
    assert exported == wanted


def test_the_report_is_as_it_is_shown(account: PageAccount) -> None:
    """Line by line, but for the bucket's name; what is left out, "…" says."""
    asked = "jina-v3-infra batch status docs-1 --follow\njina-v3-infra batch report docs-1\n"
    said = account.run(Block(REPORT.page, REPORT.line, "sh", asked))
    bucket = account.text(Block("", 0, "sh", "BUCKET"))
    for line in REPORT.text.replace("s3://deployment/", f"s3://{bucket}/").splitlines():
        assert line.partition("…")[0] in said


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.place)
def test_python_runs(account: PageAccount, block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in account.aws.environment(REGION).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(account.home)
    text = block.text.replace("/tmp/aws", str(tmp_path)).replace("port=5000", "port=0")
    try:
        exec(compile(text, block.place, "exec"), {"aws": account.aws})
    finally:
        account.aws.faults.clear()


def test_the_last_block_destroys(account: PageAccount) -> None:
    assert LAST in SHELL[-1].text
    account.run(SHELL[-1])
    stacks = account.aws.client("cloudformation", REGION).describe_stacks()["Stacks"]
    assert [stack["StackName"] for stack in stacks] == ["CDKToolkit"]
