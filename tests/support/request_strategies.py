"""What the property tests send: bodies and headers of every kind, right, foreign, mutated and damaged."""

import copy
import csv
import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from jina_v3.contract import TASKS

JSON_LINES = "application/jsonlines"
PARQUET = "application/x-parquet"

headers = st.one_of(
    st.none(),
    st.sampled_from(
        [
            *("application/json", JSON_LINES, "application/x-ndjson", "*/*", "application/json;q=0"),
            *("text/csv", "text/csv; header=present", "text/plain", PARQUET, "application/vnd.apache.parquet"),
            *("application/x-npy", "application/octet-stream"),
        ]
    ),
    st.text(max_size=40),
)
any_text = st.one_of(
    st.text(max_size=20), st.text(st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF), max_size=3)
)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.integers(min_value=10**30, max_value=10**400), any_text
)
PARAMETERS = ["task", "dimensions", "late_chunking", "normalized", "truncate", "embedding_type", "encoding_format"]
OTHER_FIELDS = ["data", "input", "inputs", "texts", "text_inputs", "text", "id", "parameters", "model", "user"]
OTHERS_FIELDS = ["model_kwargs", "input_type", "embedding_types", "output_dimension", "normalize", "prompt_name"]
STRAY_FIELDS = ["dimension", "embedding", "error", "tokens", "truncation_direction"]
field_names = any_text | st.sampled_from(PARAMETERS + OTHER_FIELDS + OTHERS_FIELDS + STRAY_FIELDS)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(field_names, inner, max_size=4), max_leaves=12
)
bodies = st.one_of(
    st.binary(max_size=60),
    values.map(lambda value: json.dumps(value).encode()),
    values.map(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")),
)

texts = st.text(min_size=1, max_size=30).filter(lambda text: text.strip())
parameters = st.fixed_dictionaries(
    {},
    optional={
        "task": st.sampled_from([None, *(task.value for task in TASKS)]),
        "dimensions": st.none() | st.integers(1, 1024),
        "late_chunking": st.booleans(),
        "normalized": st.booleans(),
        "truncate": st.booleans(),
        "embedding_type": st.sampled_from(["float", "base64", "int8", ["binary", "ubinary"]]),
    },
)
sagemaker_requests = st.fixed_dictionaries(
    {
        "data": st.lists(
            texts | st.fixed_dictionaries({"text": texts}, optional={"id": st.text() | st.integers(0, 9)}),
            min_size=1,
            max_size=3,
        )
    },
    optional={"parameters": parameters},
)
api_requests = st.builds(
    lambda given, fields: {"input": given, **fields}, texts | st.lists(texts, min_size=1, max_size=3), parameters
)
valid_requests = sagemaker_requests | api_requests

some_texts = texts | st.lists(texts, min_size=1, max_size=3)
a_form = st.sampled_from(["float", "base64", "ubinary", "binary"])
few_parameters = st.fixed_dictionaries(
    {},
    optional={
        "dimensions": st.none() | st.integers(1, 1024),
        "truncate": st.booleans(),
        "embedding_type": a_form | st.lists(a_form, min_size=1, max_size=3, unique=True),
    },
)
a_task = st.sampled_from([None, *(task.value for task in TASKS)])
hugging_face_requests = st.builds(
    lambda given, fields, beside, prompt, direction: {
        "inputs": given,
        **({"prompt_name": prompt, "truncation_direction": direction, **fields} if beside else {"parameters": fields}),
    },
    some_texts,
    few_parameters,
    st.booleans(),
    a_task,
    st.sampled_from([None, "Right", "right"]),
)
langchain_requests = st.builds(
    lambda field, given, fields, task, beside: {
        field: given,
        **({**fields, "task": task} if beside else {"model_kwargs": {**fields, "task": task}}),
    },
    st.sampled_from(["inputs", "text_inputs"]),
    some_texts,
    few_parameters,
    a_task,
    st.booleans(),
)
cohere_requests = st.fixed_dictionaries(
    {"texts": some_texts},
    optional={
        "input_type": st.sampled_from([None, "search_query", "search_document", "classification", "clustering"]),
        "truncate": st.sampled_from(["NONE", "END", True, None]),
        "embedding_types": st.lists(a_form, min_size=1, max_size=3, unique=True),
        "output_dimension": st.none() | st.integers(1, 1024),
    },
)
foreign_requests = hugging_face_requests | langchain_requests | cohere_requests

attributes = st.one_of(
    st.just(""),
    st.text(max_size=30),
    st.lists(
        st.builds(
            "{}={}".format,
            st.sampled_from(
                ["task", "dimensions", "truncate", "normalized", "embedding_type", "text_field", "id_field", "x"]
            ),
            st.sampled_from(["separation", "none", "8", "0", "true", "float", "int8", "base64", "", "tags", "id"]),
        ),
        max_size=3,
    ).map(";".join),
)
cells = st.none() | texts | any_text.filter(lambda text: text.isascii())


@st.composite
def csv_bodies(draw: st.DrawFn) -> bytes:
    """Rows as the csv module writes them, perhaps damaged."""
    written = io.StringIO()
    rows = draw(st.lists(st.lists(cells, min_size=1, max_size=3), max_size=5))
    csv.writer(written, quoting=draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))).writerows(rows)
    body = written.getvalue().encode()
    return _damaged(draw, body) if draw(st.booleans()) else body


@st.composite
def parquet_bodies(draw: st.DrawFn) -> bytes:
    """A table as pyarrow writes it, perhaps without a column of texts, perhaps damaged."""
    rows = draw(st.integers(0, 4))
    columns = {
        "text": st.none() | st.text(max_size=9),
        "task": st.sampled_from([None, "separation", "nope"]),
        "dimensions": st.none() | st.integers(-1, 70),
        "embedding_type": st.sampled_from([None, "float", "int8", "x"]),
        "id": st.none() | st.integers(0, 9),
        "tokens": st.none() | st.floats(),
        "tags": st.none() | st.lists(st.text(max_size=3), max_size=3),
    }
    names = draw(st.lists(st.sampled_from(list(columns)), unique=True, min_size=1)) + draw(st.just(["text"]))
    table = {name: draw(st.lists(columns[name], min_size=rows, max_size=rows)) for name in names}
    sink = io.BytesIO()
    compression = draw(st.sampled_from(["none", "snappy", "zstd"]))
    pq.write_table(pa.table(table), sink, row_group_size=draw(st.integers(1, 4)), compression=compression)
    return _damaged(draw, sink.getvalue()) if draw(st.booleans()) else sink.getvalue()


@st.composite
def mutated_requests(draw: st.DrawFn) -> bytes:
    """A valid request with one node replaced, removed, renamed or doubled, or with its bytes damaged."""
    request = copy.deepcopy(draw(valid_requests | foreign_requests))  # its parts are shared between draws
    nodes = [(None, None, request), *_nodes(request)]
    parent, key, value = draw(st.sampled_from(nodes))
    change = draw(st.sampled_from(["replace", "remove", "rename", "wrap", "repeat"]))
    if parent is None:
        return _damaged(draw, json.dumps(request).encode())
    if change == "replace":
        parent[key] = draw(values)
    elif change == "remove":
        del parent[key]
    elif change == "rename" and isinstance(parent, dict):
        parent[draw(field_names)] = parent.pop(key)
    elif change == "wrap":
        parent[key] = [value]
    else:
        parent[key] = [value] * draw(st.integers(0, 3))
    return json.dumps(request).encode()


def _nodes(value: Any) -> list[tuple[Any, Any, Any]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = []
    for key, child in steps:
        found += [(value, key, child), *_nodes(child)]
    return found


def _damaged(draw: st.DrawFn, body: bytes) -> bytes:
    at = draw(st.integers(0, len(body)))
    return body[:at] + draw(st.binary(max_size=3)) + body[at + draw(st.integers(0, 3)) :]
