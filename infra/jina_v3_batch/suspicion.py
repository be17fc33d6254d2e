"""Which file it was: one that ends its container takes the requests of others along, or the whole job.

After a first failure an attempt is careful: each machine has one request at a time. What fails then, while a later file
is answered, has failed by itself. Where nothing is learned, the next attempt takes half of the files, down to one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

_LONELY: Final = 3
"""Files in a row that fail all alone before the others are taken to be like them."""


def is_careful(state: Mapping[str, Any]) -> bool:
    """Say whether a file of the next attempt has failed before."""
    return any(entry["failures"] for entry in state["outstanding"].values())


def narrow(state: Mapping[str, Any], indices: Sequence[int]) -> list[int]:
    """Return as many of the files as an attempt may take; those that are tried alone are from all over."""
    if not state["few"]:
        return list(indices)
    at = len(indices) * state["given_up_alone"] // _LONELY
    return list(indices[at : at + state["few"]])


def guilty(chosen: Sequence[int], verified: Collection[int]) -> set[int]:
    """Return which files of a careful attempt failed by themselves."""
    if len(chosen) == 1:
        return set(chosen) - set(verified)
    last = max((at for at, index in enumerate(chosen) if index in verified), default=0)
    return set(chosen[:last]) - set(verified)


def learn(state: dict[str, Any], chosen: Sequence[int], verified: Collection[int], convicted: Collection[int]) -> bool:
    """Decide how many files the next attempt takes; say whether those that are left are not worth one.

    ``convicted`` are the files that failed by themselves.
    """
    if verified:
        state["few"] = state["given_up_alone"] = 0
    elif not convicted:
        state["few"] = max(1, len(chosen) // 2)
    elif len(chosen) == 1 and str(chosen[0]) in state["given_up"]:
        state["few"] = 1
        state["given_up_alone"] += 1
    return bool(state["given_up_alone"] >= _LONELY)
