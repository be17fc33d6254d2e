"""A run's working files: where each lies, and how it is read and written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jina_v3_batch.errors import RunStateError
from jina_v3_batch.places import Place
from jina_v3_batch.settings import Settings
from jina_v3_batch.store import Listed, Store


@dataclass(frozen=True, slots=True)
class Run:
    """The working files of one run; all that its steps know of each other lies there."""

    store: Store
    settings: Settings
    name: str

    @property
    def place(self) -> Place:
        """Where they are."""
        return self.settings.own.below("runs").below(self.name)

    def key(self, name: str) -> str:
        """Return a working file's key."""
        return self.place.prefix + name

    def find(self, name: str) -> Any | None:
        """Read a working file, None where there is none."""
        return self.store.read_json(self.place.bucket, self.key(name))

    def read(self, name: str) -> Any:
        """Read a working file.

        **Raises**: ``RunStateError`` where there is none.
        """
        value = self.find(name)
        if value is None:
            raise RunStateError(f"{self.place.uri}{name} is missing; a step before should have written it")
        return value

    def write(self, name: str, value: Any) -> None:
        """Write a working file."""
        self.store.write_json(self.place.bucket, self.key(name), value)

    def write_lines(self, name: str, values: list[dict[str, Any]]) -> None:
        """Write a working file of JSON lines."""
        body = "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values)
        self.store.write(self.place.bucket, self.key(name), body.encode(errors="replace"), "application/jsonlines")

    def list(self, folder: str) -> Iterator[Listed]:
        """Yield the working files of a folder, keys without the run's prefix."""
        for item in self.store.list(self.place.below(folder)):
            yield Listed(item.key.removeprefix(self.place.prefix), item.bytes, item.etag)
