"""Requests of every shape and kind of body, whole and damaged, each from a seed of its own."""

import copy
import csv
import gzip
import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from tests.support.asking import parquet
from tests.support.fuzz_choices import (
    ACCEPTS,
    ATTRIBUTE_PARTS,
    ATTRIBUTES,
    BYTES,
    CONTENT_TYPES,
    CSV,
    FORMS,
    JSON,
    JSON_LINES,
    MARKER,
    NAMES,
    OTHERS,
    PARQUET,
    TASKS,
    WORDS,
)


@dataclass
class Sent:
    """A request. ``rows`` is how many records it surely has, None where it has none or nobody can tell."""

    kind: str
    body: bytes
    content_type: str | None
    headers: dict[str, str] = field(default_factory=dict)
    rows: int | None = None

    @property
    def all_headers(self) -> dict[str, str]:
        content_type = {} if self.content_type is None else {"Content-Type": self.content_type}
        return {**content_type, **self.headers}

    def __str__(self) -> str:
        return f"{self.kind} {self.all_headers} {self.body[:2000]!r} ({len(self.body)} bytes)"


class Maker:
    """Makes one request; the same one of the same seed."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)

    def request(self) -> Sent:
        sent = self.random.choices(KINDS, WEIGHTS)[0](self)
        chance = self.random.random
        if sent.kind != "bytes" and chance() < 0.06:
            sent.body, sent.rows = self._in_another_encoding(sent.body), None
        if chance() < 0.4:
            sent.headers["Accept"] = self._pick(ACCEPTS)
        if chance() < 0.3:
            parts = self.random.choices(ATTRIBUTE_PARTS, k=self.random.randint(1, 3))
            sent.headers[ATTRIBUTES] = self._pick((";", ",", "; ")).join(parts)
        if chance() < 0.08:
            sent.content_type, sent.rows = self._pick((*CONTENT_TYPES, None)), None
        if chance() < 0.1:
            self._encode(sent)
        return sent

    # kinds of bodies

    def json_object(self) -> Sent:
        """A request of a shape, right, or with some nodes changed, or some bytes."""
        request = self._shape()
        if self.random.random() < 0.7:
            for _ in range(self.random.randint(1, 3)):
                request = self._change(request)
        body = json.dumps(request, ensure_ascii=self.random.random() < 0.5).encode("utf-8", "surrogatepass")
        if self.random.random() < 0.25:
            body = self._damage(body)
        return Sent("json", body, self._pick((JSON, JSON, JSON, None)))

    def any_json(self) -> Sent:
        value = self._value(4)
        if self.random.random() < 0.5:
            value = {self._pick(NAMES): self._value(3) for _ in range(self.random.randint(0, 4))}
        return Sent(
            "any json", json.dumps(value).encode("utf-8", "surrogatepass"), self._pick((JSON, JSON, JSON_LINES))
        )

    def json_lines(self) -> Sent:
        lines = []
        damaged = self.random.random() < 0.6
        for _ in range(self._count()):
            record = {"text": self._text(), **self._parameters(), "city": "Ulm"}
            if self.random.random() < 0.2:
                record = {"id": self._pick((1, "a", None, 1.5)), "input": record["text"], "late_chunking": False}
            if self.random.random() < 0.15:
                record |= {"late_chunking": True, "text": [self._text(), self._text()]}
            changed = self._change(record) if damaged and self.random.random() < 0.5 else record
            line = json.dumps(changed).encode("utf-8", "surrogatepass")
            lines.append(self._damage(line) if damaged and self.random.random() < 0.3 else line)
        body = self._pick((b"\n", b"\r\n", b"\n\n")).join(lines) + self._pick((b"", b"\n"))
        rows = sum(1 for line in body.split(b"\n") if line.strip())
        return Sent("json lines", body, self._pick((JSON_LINES, "application/x-ndjson")), rows=rows)

    def csv_rows(self) -> Sent:
        written, header = io.StringIO(), self.random.random() < 0.3
        columns = self.random.choice((1, 2)) if not header else 3
        cells = [[self._id() for _ in range(columns - 1)] + [self._text()] for _ in range(self._count())]
        cells = [[cell.replace("\0", "").replace("\r", "") for cell in row] for row in cells]
        quoting = csv.QUOTE_ALL if columns == 1 else self._pick((csv.QUOTE_ALL, csv.QUOTE_MINIMAL))
        rows = [["id", "city", "text"], *cells] if header else cells
        csv.writer(written, quoting=quoting).writerows(rows)
        body, count, damaged = written.getvalue().encode(), len(cells), self.random.random() < 0.5
        if damaged:
            body = self._damage(body)
        content_type = "text/csv; header=present" if header else CSV
        return Sent("csv", body, content_type, rows=None if damaged else count)

    def parquet_rows(self) -> Sent:
        body, rows = self._pick(_tables())
        damaged = self.random.random() < 0.6
        body = self._damage(body) if damaged else body
        name = self._pick((PARQUET, "application/vnd.apache.parquet"))
        return Sent("parquet", body, name, rows=None if damaged else rows)

    def plain_text(self) -> Sent:
        body = self._text().encode()
        return Sent("text", self._damage(body) if self.random.random() < 0.3 else body, "text/plain")

    def any_bytes(self) -> Sent:
        body = self.random.randbytes(self.random.choice((0, 1, 2, 4, 12, 60, 300)))
        if self.random.random() < 0.3:
            body = b"PAR1" + body + b"PAR1"
        return Sent("bytes", body, self._pick(CONTENT_TYPES))

    # their parts

    def _pick(self, choices: Any) -> Any:
        return self.random.choice(choices)

    def _text(self) -> str:
        words = self.random.choices(WORDS, k=self.random.choice((0, 1, 3, 3, 60)))
        return " ".join([MARKER, *words])

    def _other(self) -> Any:
        return copy.deepcopy(self._pick(OTHERS))  # it may be changed in its turn

    def _count(self) -> int:
        """Choose how many records: now and then more than are answered in one part."""
        return self.random.randint(65, 130) if self.random.random() < 0.02 else self.random.randint(0, 5)

    def _id(self) -> str:
        return self._pick(("", "a", "7", "é,", "=1+1"))

    def _texts(self, *, ids: bool = False) -> Any:
        if self.random.random() < 0.2:
            return self._text()
        given = [self._text() for _ in range(self.random.randint(1, 4))]
        if self.random.random() < 0.3:
            return [{"text": text, **({"id": self._pick(("a", 1, None))} if ids else {})} for text in given]
        return given

    def _parameters(self) -> dict[str, Any]:
        every = {
            "task": self._pick(TASKS),
            "dimensions": self._pick((None, 1, 2, 8, 33)),
            "normalized": self._pick((True, False, None)),
            "truncate": self._pick((True, False)),
            "embedding_type": copy.copy(self._pick(FORMS)),
        }
        return {name: value for name, value in every.items() if self.random.random() < 0.4}

    def _shape(self) -> dict[str, Any]:
        given, names = self._parameters(), {"model": "m", "user": "u"} if self.random.random() < 0.1 else {}
        shape = self.random.randrange(8)
        if shape == 0:
            return {"data": self._texts(ids=True), "parameters": given, **names}
        if shape == 1:
            return {"input": self._texts(), **given, **names}
        if shape == 2:
            documents = [[self._text(), self._text()], [self._text()]]
            return {"data": documents, "parameters": {**given, "late_chunking": True}}
        if shape == 3:
            return {"inputs": self._texts(), "parameters": given, **names}
        if shape == 4:
            given.pop("task", None)
            return {"inputs": self._texts(), **given, "truncation_direction": "Right"}
        if shape == 5:
            given.pop("truncate", None)
            return {"texts": self._texts(), **given, "truncate": self._pick(("END", "NONE"))}
        if shape == 6:
            return {self._pick(("inputs", "text_inputs")): self._texts(), "model_kwargs": given, **names}
        return {"text_inputs": self._texts(), **given, **names}

    def _value(self, depth: int) -> Any:
        kind = self.random.randrange(6 if depth else 4)
        if kind < 3:
            return self._other()
        if kind == 3:
            return " ".join(self.random.choices(WORDS, k=3))
        if kind == 4:
            return [self._value(depth - 1) for _ in range(self.random.randint(0, 3))]
        return {self._pick(NAMES): self._value(depth - 1) for _ in range(self.random.randint(0, 3))}

    # damage

    def _change(self, value: Any) -> Any:
        """Change one node; a text may vanish or be put into lists, but never becomes something else's value."""
        nodes = _nodes(value)
        if not nodes:
            return value
        parent, key = self._pick(nodes)
        change = self.random.randrange(5)
        if change == 0:
            parent[key] = self._other()
        elif change == 1:
            del parent[key]
        elif change == 2:
            parent[key] = [parent[key]] * self.random.randint(0, 3)
        elif change == 3 and isinstance(parent, dict) and not _holds_text(parent[key]):
            parent[self._pick(NAMES)] = parent.pop(key)
        elif isinstance(parent, dict):
            parent[self._pick(NAMES)] = self._other()
        return value

    def _damage(self, body: bytes) -> bytes:
        for _ in range(self.random.choice((1, 1, 2, 4))):
            at = self.random.randint(0, len(body))
            change = self.random.randrange(5)
            if change == 0:
                body = body[:at] + self._pick(BYTES) + body[at:]
            elif change == 1:
                body = body[:at] + body[at + self.random.choice((1, 1, 2, 8)) :]
            elif change == 2:
                body = body[:at]
            elif change == 3:
                body = body[:at] + self.random.randbytes(self.random.randint(1, 4)) + body[at + 1 :]
            else:
                body = body[:at] + body[max(0, at - 12) :]
        return body

    def _in_another_encoding(self, body: bytes) -> bytes:
        text = body.decode("utf-8", "replace")
        encoded: Callable[[], bytes] = self._pick(
            (
                lambda: text.encode("utf-16"),
                lambda: text.encode("utf-16-le"),
                lambda: text.encode("utf-32"),
                lambda: text.encode("latin-1", "replace"),
                lambda: text.encode("utf-7"),
                lambda: b"\xef\xbb\xbf" + body,
                lambda: b"\xff\xfe" + body,
                lambda: body.replace(b'"', b"\xc0\xa2"),  # overlong
            )
        )
        return encoded()

    def _encode(self, sent: Sent) -> None:
        """Send it as gzip, perhaps damaged, or in a coding that it has not."""
        coding = self._pick(("gzip", "gzip", "gzip", "x-gzip", "GZIP", "br", "identity", "gzip, gzip"))
        sent.headers["Content-Encoding"] = coding
        if "gzip" in coding.lower() and self.random.random() < 0.8:
            sent.body = gzip.compress(sent.body, mtime=0)
            if self.random.random() < 0.3:
                sent.body, sent.rows = self._damage(sent.body), None


def _nodes(value: Any) -> list[tuple[Any, Any]]:
    steps = (
        list(value.items() if isinstance(value, dict) else enumerate(value)) if isinstance(value, dict | list) else []
    )
    return [node for key, child in steps for node in [(value, key), *_nodes(child)]]


def _holds_text(value: Any) -> bool:
    return MARKER in json.dumps(value)


KINDS = (
    Maker.json_object,
    Maker.json_lines,
    Maker.csv_rows,
    Maker.parquet_rows,
    Maker.plain_text,
    Maker.any_json,
    Maker.any_bytes,
)
WEIGHTS = (40, 20, 15, 8, 5, 7, 5)

_TABLES: list[tuple[bytes, int]] = []


def _tables() -> list[tuple[bytes, int]]:
    """Make some files once, of many types and ways to write them."""
    if not _TABLES:
        texts = [f"{MARKER} sun", None, "", f"{MARKER} port"]
        columns = {
            "id": [1, None, 3, 4],
            "city": ["Ulm", None, "x", "y"],
            "task": ["separation", None, "nope", None],
            "dimensions": [8, 0, None, 2],
            "tags": [["a"], [], None, ["b", "c"]],
            "raw": [b"\xff", b"", None, b"a"],
            "tokens": [1.5, None, float("nan"), 0.0],
        }
        for number, name in enumerate((None, *columns)):
            for rows in (0, 1, 4):
                chosen = {"text": texts[:rows], **({name: columns[name][:rows]} if name else {})}
                types = {"text": pa.string(), **({name: pa.array(columns[name]).type} if name else {})}
                table = pa.table({key: pa.array(value, types[key]) for key, value in chosen.items()})
                codec = ("none", "snappy", "zstd", "gzip")[number % 4]
                _TABLES.append((parquet(table, compression=codec, row_group_size=2), rows))
    return _TABLES
