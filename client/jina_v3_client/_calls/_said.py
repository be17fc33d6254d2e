"""A container's error, until the wire's own module reads it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerError:
    """What the container said of a request."""

    code: str = ""
    message: str = ""
    field: str | None = None
    value: object = None
    allowed: Any = None
    request_id: str | None = None

    @property
    def index(self) -> int | None:
        """Which text of the request is at fault."""
        found = re.match(r"[a-z_]+\[(\d{1,9})\]", self.field or "")
        return int(found[1]) if found else None


def error_body(body: bytes) -> ContainerError | None:
    """Return the container's error, or ``None`` where there is none in the body."""
    try:
        error = json.loads(body)["error"]
        names = ("code", "message", "field", "value", "allowed", "request_id")
        return ContainerError(**{name: error.get(name) for name in names if name in error})
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
