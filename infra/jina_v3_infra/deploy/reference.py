"""The reference of the configuration, written from the schema: docs/configuration.md is what this writes."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, MaxLen, MinLen
from pydantic.fields import FieldInfo

from jina_v3_infra.config import Deployment
from jina_v3_infra.deploy.toml_text import toml_value

_HEAD: Final = """\
# The configuration

One file, TOML or YAML, describes a deployment; every field has a default, so it holds only what differs. The commands
read `jina-v3.toml` of the current folder, or the file that `--config` names. `-c place=value` overrides a field:

```sh
jina-v3-infra config -c region=eu-west-1 -c endpoint.variants.0.instance_type=ml.g5.xlarge   # print all of it
```

What cannot be is refused before anything is deployed, with one sentence for each mistake. This page is written by
`jina-v3-infra config --reference`.
"""

_TYPE_NAMES: Final = {str: "text", int: "whole number", float: "number", bool: "true or false"}


def write_reference() -> str:
    """Write the reference: a section for each table of the file, a row for each field."""
    return "\n".join([_HEAD, *_sections(Deployment(), "", repeated=False)]).rstrip() + "\n"


def _sections(defaults: Any, place: str, *, repeated: bool) -> Iterator[str]:
    """Yield the section of one dataclass, whose defaults are those of an instance, and then those within it."""
    title = f"`[[{place}]]`" if repeated else f"`[{place}]`"
    yield f"## {title if place else 'At the top'}\n"
    yield " ".join((defaults.__doc__ or "").split("\n\n")[0].split()) + "\n"
    yield "| field | type | default | allowed | meaning |"
    yield "|---|---|---|---|---|"
    inner = []
    for name, hint in get_type_hints(type(defaults), include_extras=True).items():
        table = _table_of(hint)
        default = getattr(defaults, name)
        if table is None:
            yield _row(name, hint, default)
            continue
        cls, many = table
        path = f"{place}.{name}".lstrip(".")
        there = "not there unless given" if not default else "one with its defaults"
        kind, meaning = "tables" if many else "table", _describe(hint)[2] or _first_line(cls)
        yield f"| [`{name}`](#{_anchor(path)}) | {kind} | {there} | | {meaning} |"
        inner.append((_defaults(cls) if not default else default[0] if many else default, path, many))
    yield ""
    for table_defaults, path, many in inner:
        yield from _sections(table_defaults, path, repeated=many)


def _defaults(cls: Any) -> Any:
    """Return an instance with its defaults, and a mark where there is none."""
    return cls(**{one.name: dataclasses.MISSING for one in dataclasses.fields(cls) if _must_be_given(one)})


def _must_be_given(one: dataclasses.Field[Any]) -> bool:
    return one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING


def _anchor(path: str) -> str:
    return path.replace(".", "")  # as GitHub makes one of a heading


def _first_line(cls: Any) -> str:
    return (cls.__doc__ or "").split("\n")[0]


def _table_of(hint: Any) -> tuple[Any, bool] | None:
    """Return the dataclass behind a field, and whether there can be several."""
    bare = _bare(hint)
    if dataclasses.is_dataclass(bare):
        return bare, False
    if get_origin(bare) is tuple and dataclasses.is_dataclass(_bare(get_args(bare)[0])):
        return _bare(get_args(bare)[0]), True
    return None


def _bare(hint: Any) -> Any:
    """Take off annotations and ``| None``."""
    if get_origin(hint) is Annotated:
        return _bare(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        (one,) = [arg for arg in get_args(hint) if arg is not type(None)]
        return _bare(one)
    return hint


def _row(name: str, hint: Any, default: Any) -> str:
    kind, allowed, meaning = _describe(hint)
    cells = [f"`{name}`", kind, _default(default), allowed, meaning]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _default(value: Any) -> str:
    if value is None:
        return "none"
    if value is dataclasses.MISSING:
        return "must be given"
    return f"`{toml_value(list(value) if isinstance(value, tuple) else value)}`" if value != {} else "`{}`"


def _describe(hint: Any) -> tuple[str, str, str]:
    """Return a field's type, what it allows and what it means."""
    meaning, limits = "", []
    while get_origin(hint) in (Annotated, Union, types.UnionType):
        if get_origin(hint) is Annotated:
            hint, *notes = get_args(hint)
            for info in (note for note in notes if isinstance(note, FieldInfo)):
                meaning = meaning or (info.description or "")
                limits += [limit for note in info.metadata if (limit := _limit(note))]
        else:
            hint = next(arg for arg in get_args(hint) if arg is not type(None))
    if get_origin(hint) is Literal:
        return "text", ", ".join(f"`{toml_value(value)}`" for value in get_args(hint)), meaning
    if get_origin(hint) is tuple:
        return f"list of {_describe(get_args(hint)[0])[0]}s", " and ".join(limits), meaning
    if get_origin(hint) is dict:
        return "table of texts", " and ".join(limits), meaning
    return _TYPE_NAMES.get(hint, "table"), " and ".join(limits), meaning


def _limit(note: Any) -> str:
    match note:
        case Ge(ge=bound):
            return f"at least {_number(bound)}"
        case Gt(gt=bound):
            return f"more than {_number(bound)}"
        case Le(le=bound):
            return f"at most {_number(bound)}"
        case MinLen(min_length=1):
            return "not empty"
        case MaxLen(max_length=bound):
            return f"{bound} or fewer"
    pattern = getattr(note, "pattern", None)
    assert pattern is not None, f"a bound that the reference has no words for: {note!r}"
    return f"`{pattern}`"


def _number(bound: Any) -> str:
    return f"{int(bound):,}" if bound == int(bound) else f"{bound:g}"
