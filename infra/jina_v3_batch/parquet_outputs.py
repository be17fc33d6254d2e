"""Outputs that are Parquet: the rows of both footers, and the account that the container leaves in its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from jina_v3_batch.dataset import DataFile
from jina_v3_batch.pairing import MismatchError
from jina_v3_batch.parquet import fetch_footer
from jina_v3_batch.records_out import RecordOut
from jina_v3_batch.store import Store

SUMMARY: Final = "jina_v3.summary"
"""Of the footer's key-value metadata; docs/contract.md says what stands there."""


def compare_parquet(
    store: Store, file: DataFile, bucket: str, key: str, on_bad: Callable[[int, RecordOut], None]
) -> dict[str, Any]:
    """Compare a file with its output by their footers.

    **Raises**: ``MismatchError``.
    """
    try:
        footer = fetch_footer(store, bucket, key)
        summary = json.loads(footer.metadata[SUMMARY])
        errors: dict[str, int] = summary["errors"]
        embedded, tokens = int(summary["embedded"]), int(summary["tokens"])
        first = [(one["row"], one) for one in summary["first_errors"]]
    except KeyError as error:
        raise MismatchError(f"the output's footer lacks {error}; was the image published before this?") from None
    except ValueError as error:
        raise MismatchError(f"the output is no Parquet that can be read: {error}") from None
    bad = sum(errors.values())
    if not file.rows == footer.rows == embedded + bad:
        raise MismatchError(
            f"{file.rows} rows went in, {footer.rows} came out, of which {embedded} are embedded and {bad} bad"
        )
    if "embedding" not in footer.columns:
        raise MismatchError("the output has no column 'embedding'")
    for row, bad_row in first:
        on_bad(row, RecordOut(bad_row.get("id"), error=bad_row))
    return {"records": footer.rows, "embedded": embedded, "tokens": tokens, "errors": errors}
