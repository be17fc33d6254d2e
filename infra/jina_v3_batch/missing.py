"""Texts and ids that are not where they were said to be: what is refused, what is noted, what to ask for instead."""

from __future__ import annotations

from collections.abc import Sequence

from jina_v3_batch.errors import PreflightError
from jina_v3_batch.fields import ANSWER_FIELDS, RecordFields
from jina_v3_batch.parquet import Footer
from jina_v3_batch.proposals import likely_id, likely_text, propose_text, say, show
from jina_v3_batch.samples import Record, Sample
from jina_v3_batch.wording import count


def check_texts(
    records: Sequence[Record], samples: Sequence[Sample], form: str, fields: RecordFields, *, allow_missing_text: bool
) -> list[str]:
    """Return a note of sampled records that have no text.

    **Raises**: ``PreflightError`` where none has one, or fewer than half of them and that is not allowed.
    """
    without = [record for record in records if record.text_bytes is None]
    if not without:
        return []
    expected = f"the first of these is {without[0].found}, and records are {_shape(form, fields)}"
    others = [{name: size for name, size in one.strings.items() if name != fields.id_name} for one in without]
    proposal = propose_text(others) or _propose_header(without[0], form, fields)
    told = f"{expected}{proposal}"
    if len(without) == len(records):
        raise PreflightError(
            f"none of the first {count(records, 'record')} of {count(samples, 'file')} has a text: {told}"
        )
    share = f"{len(without):,} of {count(records, 'sampled record')}"
    if 2 * len(without) > len(records) and not allow_missing_text:
        raise PreflightError(
            f"{share}, most of them, have no text: {told}. If they are to be so, say "
            f'"allow_missing_text": true (--allow-missing-text), and each of them is an error of its own'
        )
    return [f"{share} have no text, and will be errors of their own: {expected}"]  # another field would lose most


def check_ids(records: Sequence[Record], fields: RecordFields) -> list[str]:
    """Return notes of sampled records that have no id, or one that cannot be.

    **Raises**: ``PreflightError`` where none has the one that was asked for, or all have one that cannot be.
    """
    objects = [record for record in records if record.names]
    wrong = [record for record in objects if record.has_wrong_id]
    told = (
        f"{len(wrong):,} of {count(objects, 'sampled record')} have something in {fields.id_name!r} that is neither a "
        f"string nor a whole number of at most 64 bits, and would be errors of their own"
    )
    if wrong and len(wrong) == len(objects):
        raise PreflightError(f"{told}; write ids as strings")
    return [*([told] if wrong else []), *_note_without_id(objects, fields)]


def _note_without_id(objects: Sequence[Record], fields: RecordFields) -> list[str]:
    without = [record for record in objects if not record.has_id]
    if not without:
        return []
    common = [name for name in without[0].names if all(name in record.names for record in objects)]
    near = likely_id(common)
    if fields.id is not None and len(without) == len(objects):
        hint = f": {say('id_field', near)}" if near else ""
        raise PreflightError(
            f"id_field is {fields.id!r}, which none of the first {count(objects, 'record')} has; they have "
            f"{show(without[0].names)}{hint}"
        )
    if fields.id is not None:
        return [f"{len(without):,} of {count(objects, 'sampled record')} have no {fields.id!r}, and are given an id"]
    if len(without) == len(objects) and near is not None:
        return [
            f'no sampled record has an "id", so each is given one; they have {show([near])}: {say("id_field", near)}'
        ]
    return []


def note_left_out(records: Sequence[Record], fields: RecordFields) -> list[str]:
    """Return a note of fields that the sampled records have and that do not come back, for the answer has its own."""
    names = dict.fromkeys(name for record in records for name in record.names)
    ours = (*ANSWER_FIELDS, *(() if fields.id_name == "id" else ("id",)))
    left_out = [name for name in names if name in ours]
    return [f"records have {show(left_out)}, which an answer has of its own; theirs do not come back"] * bool(left_out)


def check_columns(key: str, footer: Footer, fields: RecordFields) -> str | None:
    """Say what is wrong with the columns of a Parquet file, ``None`` where nothing is."""
    text = fields.text_name
    if len(set(footer.columns)) < len(footer.columns):
        twice = next(name for name in footer.columns if footer.columns.count(name) > 1)
        return f"{key} has two columns {twice!r}; give each a name of its own"
    if text not in footer.columns:
        strings = [name for name in footer.columns if name in footer.strings]
        near = likely_text(strings) or (strings[0] if len(strings) == 1 else None)
        hint = f": {say('text_field', near)}" if near else ""
        return f"{key} has no column {text!r}; it has {show(footer.columns)}{hint}"
    if text not in footer.strings:
        return f"the column {text!r} of {key} holds no strings; write it as text"
    if fields.id is not None and fields.id not in footer.columns:
        near = likely_id(footer.columns)
        hint = f": {say('id_field', near)}" if near else ""
        return f"{key} has no column {fields.id!r}; it has {show(footer.columns)}{hint}"
    return None


def _shape(form: str, fields: RecordFields) -> str:
    if form != "csv":
        return f"objects with {show([fields.text_name])}"
    if fields.columns is None:
        return "rows of id,text or of text, without a header"
    return f"rows of {show(fields.columns)}, with a text in {show([fields.text_name])}"


def _propose_header(record: Record, form: str, fields: RecordFields) -> str:
    if form != "csv" or fields.columns is not None or record.names:
        return ""
    if record.header is not None:
        return f"; if the first row names the columns, {say('text_field', record.header)}"
    return '; if the first row names the columns, say which has the texts: "text_field" (--text-field)'
