"""The end of a local AWS in the middle of its transform jobs, which has an AWS of its own."""

from pathlib import Path

from tests.support.sagemaker_bench import Bench, until
from tests.support.transform_bench import TransformBench

from local_aws.server import LocalAws
from local_aws.settings import Settings


def test_nothing_is_left_running_when_the_local_aws_ends(tmp_path: Path) -> None:
    with LocalAws(Settings(state_folder=tmp_path, waiting=0.001, transform_processes=2)) as aws:
        batch = TransformBench(Bench(aws))
        source = batch.put({"a": b'{"sleep_s": 0.3}\n' * 1000})
        for _ in range(4):
            batch.create(source, BatchStrategy="SingleRecord")
        until(lambda: len(batch.processes()) == 2)
    assert batch.processes() == []
