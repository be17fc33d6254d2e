from __future__ import annotations

import io
import os
import shutil
import zipfile
from pathlib import Path

from jina_v3_infra.artifact import find_source_root
from jina_v3_infra.publish.bundle import pack_sources


def test_two_checkouts_give_the_same_bytes(source_root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for path in sorted(source_root.rglob("*"), reverse=True):
        if path.is_file():
            copy = other / path.relative_to(source_root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
            copy.chmod(0o700 if path.name == "serve" else 0o600)
            os.utime(copy, (1_000_000_000, 1_000_000_000))
    (other / "jina_v3" / ".hidden").write_text("no")
    (other / "inference.py").write_text("script mode's, not the image's")
    assert pack_sources(other) == pack_sources(source_root)
    (other / "jina_v3" / "new.py").write_text("")
    assert pack_sources(other) != pack_sources(source_root)


def test_what_it_holds_and_that_serve_can_be_run(tmp_path: Path) -> None:
    root = find_source_root()
    with zipfile.ZipFile(io.BytesIO(pack_sources())) as bundle:
        assert bundle.testzip() is None
        names = bundle.namelist()
        assert {name.partition("/")[0] for name in names} == {"Dockerfile", "image", "jina_v3"}
        for name in names:
            assert bundle.read(name) == (root / name).read_bytes()
            mode = bundle.getinfo(name).external_attr >> 16
            assert mode == (0o100755 if name == "image/serve" else 0o100644)
