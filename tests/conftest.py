"""Fixtures that several folders of tests share."""

import functools
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from tests.support.loopback_only import guard_run

_SENTENCES = (
    "the sun rises over a quiet harbour and boats return with fish while children walk to school",
    "die Sonne steigt über dem Hafen und Boote kehren heim",
    "le soleil se lève sur le port calme",
    "солнце встаёт над гаванью",
    "太陽 が 港 に 昇る",
    "الشمس تشرق فوق الميناء",
    "सूरज बंदरगाह पर उगता है",
)


def pytest_configure(config: pytest.Config) -> None:
    """Guard the whole run before anything is collected; no example fails for being slow, as machines are busy."""
    guard_run(config.option.markexpr)
    hypothesis.settings.register_profile("unhurried", deadline=None)
    hypothesis.settings.load_profile("unhurried")
    # The CDK's own validation takes more than half of each synthesis and only warns: test_checkers.py asks it once, of
    # all templates, instead of each command that a test runs.
    os.environ["CDK_VALIDATION"] = "false"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: at the end, one process would have it, and the other nothing."""
    first = ("deployment", "notebooks", "demo", "docs", "local_aws")
    items.sort(key=lambda item: first.index(item.path.parent.name) if item.path.parent.name in first else len(first))


@pytest.fixture(scope="session", autouse=True)
def one_loader() -> Iterator[None]:
    """Read botocore's models once for all tests: each session would otherwise parse megabytes of JSON anew.

    Clients of one service share its model and their methods, which are a third of making a client.
    """
    if importlib.util.find_spec("botocore") is None:  # a machine for the GPU's tests alone
        yield
        return
    import botocore.loaders
    from botocore.client import ClientCreator

    load_model, create_methods = ClientCreator._load_service_model, ClientCreator._create_methods
    models: dict[int, Any] = {}
    methods: dict[int, dict[str, Any]] = {}

    def load_model_once(creator: Any, *arguments: Any, **named: Any) -> Any:
        model = load_model(creator, *arguments, **named)
        return models.setdefault(id(model._service_description), model)  # the model keeps it, so its id stays

    def create_methods_once(creator: Any, model: Any) -> dict[str, Any]:
        if id(model) not in methods:
            methods[id(model)] = create_methods(creator, model)
        return methods[id(model)].copy()  # boto3 adds to what it gets

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", functools.cache(botocore.loaders.create_loader))
        patch.setattr(ClientCreator, "_load_service_model", load_model_once)
        patch.setattr(ClientCreator, "_create_methods", create_methods_once)
        yield


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stand-in of 64 dimensions and two layers: enough for everything but numerics."""
    from demo.standin import StandInConfig, write_standin  # with torch, for which xdist's parent has no use

    config = StandInConfig(layers=2, hidden=64, heads=4, intermediate=128, vocab=400)
    return write_standin(tmp_path_factory.mktemp("tiny") / "model", _SENTENCES * 20, config)
