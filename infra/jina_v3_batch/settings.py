"""What the stack tells the function by its environment; read once, checked, and never again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jina_v3_batch.errors import PreflightError, SettingsError
from jina_v3_batch.places import Place, read_place

PREFIX = "JINA_V3_BATCH_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The deployment of a ``name``, as the steps need to know it.

    **Units**: ``usd_per_hour`` of one machine, ``tokens_per_s`` of one machine; None is unknown or no limit.
    """

    name: str
    bucket: str
    model: str
    instance_type: str
    instances: int
    jobs: int
    attempts: int
    kms_key: str
    tokens_per_s: float
    ami: str | None = None
    usd_per_hour: float | None = None
    max_usd: float | None = None
    datasets: tuple[Place, ...] = ()
    results: tuple[Place, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def own(self) -> Place:
        """The part of the deployment's own bucket that is batch's."""
        return Place(self.bucket, "batch/")

    @property
    def readable(self) -> tuple[Place, ...]:
        """Where datasets may lie."""
        return (self.own.below("datasets"), *self.datasets)

    @property
    def writable(self) -> tuple[Place, ...]:
        """Where vectors may be put."""
        return (self.own.below("vectors"), *self.results)


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the function's environment.

    **Raises**: ``SettingsError`` that names the variable.
    """
    read = _Reader(environment)
    return Settings(
        name=read.text("NAME"),
        bucket=read.text("BUCKET"),
        model=read.text("MODEL"),
        instance_type=read.text("INSTANCE_TYPE"),
        instances=read.count("INSTANCES"),
        jobs=read.count("JOBS"),
        attempts=read.count("ATTEMPTS"),
        kms_key=read.text("KMS_KEY"),
        tokens_per_s=read.number("TOKENS_PER_S"),
        ami=read.optional("AMI"),
        usd_per_hour=read.optional_number("USD_PER_HOUR"),
        max_usd=read.optional_number("MAX_USD"),
        datasets=read.places("DATASETS"),
        results=read.places("RESULTS"),
        tags=read.tags("TAGS"),
    )


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def optional(self, name: str) -> str | None:
        return self._environment.get(PREFIX + name) or None

    def text(self, name: str) -> str:
        value = self.optional(name)
        if value is None:
            raise SettingsError(f"{PREFIX}{name} is not set; the batch stack sets it, so deploy it again")
        return value

    def number(self, name: str) -> float:
        text = self.text(name)
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if not 0 < value < float("inf"):
            raise SettingsError(f"{PREFIX}{name} is {text!r}; it must be a number above 0")
        return value

    def optional_number(self, name: str) -> float | None:
        return None if self.optional(name) is None else self.number(name)

    def count(self, name: str) -> int:
        value = self.number(name)
        if value != int(value):
            raise SettingsError(f"{PREFIX}{name} is {value}; it must be a whole number above 0")
        return int(value)

    def places(self, name: str) -> tuple[Place, ...]:
        value = self._json(name, "[]", list)
        try:
            return tuple(read_place(uri, PREFIX + name) for uri in value)
        except PreflightError as error:
            raise SettingsError(str(error)) from None

    def tags(self, name: str) -> tuple[tuple[str, str], ...]:
        return tuple((str(key), str(value)) for key, value in self._json(name, "{}", dict).items())

    def _json(self, name: str, absent: str, kind: type) -> Any:
        text = self.optional(name) or absent
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if not isinstance(value, kind):
            raise SettingsError(f"{PREFIX}{name} is {text!r}; it must be a JSON {kind.__name__}")
        return value
