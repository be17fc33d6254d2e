"""What fuzzing chooses from: names, values and headers that mean something here, or nearly."""

MARKER = "Xyzzy-marker"
"""Stands in every text, and in nothing else."""

JSON = "application/json"
JSON_LINES = "application/jsonlines"
CSV = "text/csv"
PARQUET = "application/x-parquet"
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"

CONTENT_TYPES = (
    *(JSON, JSON_LINES, "application/x-ndjson", "application/jsonl", "application/x-jsonlines", "text/plain", CSV),
    *("text/csv; header=present", "text/csv; header=absent", "text/csv; header=maybe", PARQUET),
    *("application/vnd.apache.parquet", "application/json; charset=utf-8", "application/json; charset=latin-1"),
    *("APPLICATION/JSON", "application/json ; charset=UTF8", 'text/plain;charset="utf-8"', "image/png", "", ";", "/"),
    *("application/json; charset", "text/csv; header", "application/octet-stream", "multipart/form-data; boundary=x"),
)
ACCEPTS = (
    *("*/*", JSON, JSON_LINES, "application/x-ndjson", PARQUET, "application/x-npy", "application/octet-stream"),
    *("application/*", "application/json;q=0", "*/*;q=0, application/json", "text/html, */*;q=0.1", "", ",", ";q="),
    *("application/jsonlines;q=0.5, application/json;q=0.50", "application/x-npy;q=nan", "image/png", "a/b;q=1e9"),
)
ATTRIBUTE_PARTS = (
    *("task=separation", "task=none", "task=nope", "dimensions=8", "dimensions=0", "dimensions=99999999999", "x=y"),
    *("normalized=false", "truncate=TRUE", "truncate=1", "embedding_type=int8", "embedding_type=base64", "=", "task="),
    *("late_chunking=true", "embedding_type=", "DIMENSIONS = 16", "trace", "dimensions=²", "task=separation=x"),
)
TASKS = (None, "retrieval.query", "retrieval.passage", "separation", "classification", "text-matching")
FORMS = ("float", "base64", "ubinary", "binary", "int8", ["float"], ["int8", "ubinary"], ["base64", "float", "binary"])
WORDS = (
    "sun",
    "port",
    "über",
    "солнце",
    "太陽",
    "🌅",
    "\u200b",
    "a\u0301",
    "\x00",
    "\x0b",
    "\ufeff",
    "\u2028",
    '"',
    "\\",
)
OTHERS = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    10**30,
    "",
    "x",
    [],
    {},
    [[]],
    [None],
    {"text": 5},
    {"a": {"b": [1]}},
    -0.0,
    1e308,
)
NAMES = (
    *("data", "input", "inputs", "texts", "text_inputs", "text", "id", "parameters", "model_kwargs", "model", "user"),
    *(
        "task",
        "dimensions",
        "late_chunking",
        "normalized",
        "truncate",
        "embedding_type",
        "encoding_format",
        "dimension",
    ),
    *("input_type", "embedding_types", "output_dimension", "normalize", "prompt_name", "truncation_direction"),
    *("embedding", "embeddings", "scale", "tokens", "truncated", "error", "metadata", "", "é", "data[0]"),
)
BYTES = (
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\\",
    b"\n",
    b"\r",
    b"\0",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b" ",
    b"PAR1",
)
