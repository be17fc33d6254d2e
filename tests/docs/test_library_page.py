"""The page on the library and the server: its code runs on a tiny model, its modules and targets are there."""

import json
import re
from pathlib import Path
from typing import Any

from tests.support.asking import ask
from tests.support.checkpoints import TINY, write_original
from tests.support.pages import blocks_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")


def test_the_library_as_it_is_shown(tmp_path: Path) -> None:
    folder = write_original(tmp_path / "model", TINY)
    (block,) = blocks_of(__file__)
    code = block.text
    names: dict[str, Any] = {}
    exec(
        compile(code.replace("/path/to/model", str(folder)).replace("dimensions=256", "dimensions=32"), "page", "exec"),
        names,
    )
    assert names["queries"].shape == (1, 32)
    assert names["chunks"].shape == (2, TINY.hidden)


def test_the_requests_as_they_are_shown() -> None:
    bodies = [json.loads(body) for body in re.findall(r"-d '\n(.*?)'", PAGE, re.DOTALL)]
    assert [set(body) & {"data", "input"} for body in bodies] == [{"data"}, {"input"}]
    assert [len(ask(body)["data"][0]["embedding"]) for body in bodies] == [256, 256]


def test_the_modules_can_be_run() -> None:
    for module in set(re.findall(r"-m (jina_v3_infra\.\w+)", PAGE)):
        source = ROOT / "infra" / (module.replace(".", "/") + ".py")
        assert '__name__ == "__main__"' in source.read_text(encoding="utf-8")
