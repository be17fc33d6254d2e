"""The container's settings by name: a wrong one ends its start, minutes after the machine began to cost."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Final

PREFIX: Final = "JINA_V3_"
NAMES: Final = frozenset(
    f"{PREFIX}{name}"
    for name in (
        *("ATTENTION", "BIND_HOST", "BODY_TIMEOUT_S", "DEFAULT_DIMENSIONS", "DEFAULT_EMBEDDING_TYPE", "DEFAULT_TASK"),
        *("DEVICE", "DTYPE", "ENGINES", "ENGINE_TIMEOUT_S", "GRAPHS", "KERNELS", "MAX_BATCH_TOKENS", "MAX_BODY_BYTES"),
        *("MAX_QUEUE_S", "MAX_TEXTS", "MAX_TOKENS", "MODEL", "REQUEST_TIMEOUT_S", "SHUTDOWN_TIMEOUT_S"),
        *("CSV_COLUMNS", "ID_FIELD", "TEXT_FIELD"),
    )
)
"""Those that docs/contract.md lists; a test holds them to the container's own."""
OF_A_DATASET: Final = tuple(f"{PREFIX}{name}" for name in ("CSV_COLUMNS", "ID_FIELD", "TEXT_FIELD"))
"""Those that a batch run sets, as what looks at its data before must know of them."""


def unknown_settings(environment: Mapping[str, str], place: str) -> Iterator[str]:
    """Yield one sentence for each name that the container would refuse."""
    for name in environment:
        if name.startswith(PREFIX) and name not in NAMES:
            near = difflib.get_close_matches(name, NAMES, n=1)
            hint = f"did you mean {near[0]}?" if near else f"allowed are {', '.join(sorted(NAMES))}"
            yield f"{place}: the container knows no {name}, and would not start; {hint}"
