"""The safetensors files of a folder, single or sharded, memory-mapped and read a few tensors at a time."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from jina_v3.errors import CheckpointError

_FLOATS = {"F64", "F32", "F16", "BF16"}


class TensorReader:
    """Open files of one folder; tensors are views of the maps, whose pages go when the tensors do."""

    def __init__(self, handles: dict[Path, Any], location: dict[str, Path]) -> None:
        self._handles = handles
        self._location = location

    def __getitem__(self, name: str) -> torch.Tensor:
        tensor: torch.Tensor = self._handles[self._location[name]].get_tensor(name)
        return tensor


class TensorFiles:
    """Names and shapes of all tensors in a folder; ``open()`` to read them.

    A reader maps whole files, and every page it touches counts as this process's memory until it is closed. So a
    model is loaded a layer at a time, each through a reader of its own: that keeps the peak near the final size.

    **Raises**: CheckpointError when a file is missing, truncated, or holds tensors that are not floating-point.
    """

    def __init__(self, folder: Path, stem: str = "model") -> None:
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._location: dict[str, Path] = {}
        for path in _files(folder, stem):
            with _open(path) as handle:
                for name in handle.keys():  # noqa: SIM118 - not a dict
                    view = handle.get_slice(name)
                    if view.get_dtype() not in _FLOATS:
                        known = ", ".join(sorted(_FLOATS))
                        raise CheckpointError(f"{path}: {name} has dtype {view.get_dtype()}; supported are {known}")
                    if name in self._location:
                        raise CheckpointError(f"{name} stands in both {self._location[name]} and {path}")
                    self.shapes[name] = tuple(view.get_shape())
                    self._location[name] = path

    @contextlib.contextmanager
    def open(self) -> Iterator[TensorReader]:
        """Map the files for as long as the context lasts."""
        with contextlib.ExitStack() as stack:
            paths = sorted(set(self._location.values()))
            yield TensorReader({path: stack.enter_context(_open(path)) for path in paths}, self._location)


def _files(folder: Path, stem: str) -> list[Path]:
    single = folder / f"{stem}.safetensors"
    if single.is_file():
        return [single]
    index = folder / f"{stem}.safetensors.index.json"
    if not index.is_file():
        other = sorted(path.name for path in folder.glob("*.bin"))
        hint = f"; {other[0]} is a pickle, which is never loaded: convert it to safetensors" if other else ""
        raise CheckpointError(f"{folder} has neither {single.name} nor {index.name}{hint}")
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{index} cannot be read as a safetensors index: {error!r}") from None
    if not names:
        raise CheckpointError(f"{index} names no files")
    for name in names:
        if Path(name).name != name or not (folder / name).is_file():
            raise CheckpointError(f"{index} names {name!r}, which is not in {folder}")
    return [folder / name for name in names]


def _open(path: Path) -> Any:
    try:
        return safe_open(path, framework="pt", device="cpu")
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read as safetensors ({error}); fetch it again") from None
