import pytest
from tests.support.case import Case
from tests.support.checkpoints import FULL_WIDTH, TINY


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(tmp_path_factory.mktemp("tiny"), TINY)


@pytest.fixture(scope="session")
def full_width(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(tmp_path_factory.mktemp("full"), FULL_WIDTH)
