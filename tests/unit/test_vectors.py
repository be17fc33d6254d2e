import base64

import numpy as np
import orjson

from jina_v3.serving.formats.vectors import write_vectors

VECTORS = np.random.default_rng(0).standard_normal((3, 20)).astype(np.float32)
VECTORS[1, :5] = [0.0, -0.0, 1e-40, 0.1, -3.4e38]


def test_float_digits_give_back_the_same_float32():
    written = orjson.dumps(
        [row["embedding"] for row in write_vectors(VECTORS, "float")], option=orjson.OPT_SERIALIZE_NUMPY
    )
    back = np.array(orjson.loads(written)).astype(np.float32)
    assert back.tobytes() == VECTORS.tobytes()
    assert b"0.1," in written  # the fewest digits, not those of the double


def test_base64_is_little_endian_float32():
    rows = [base64.b64decode(row["embedding"], validate=True) for row in write_vectors(VECTORS, "base64")]
    assert b"".join(rows) == VECTORS.astype("<f4").tobytes()


def test_signs_are_packed_high_bit_first_and_padded():
    for row, vector in zip(write_vectors(VECTORS, "ubinary"), VECTORS, strict=True):
        bits = "".join("1" if value > 0 else "0" for value in vector).ljust(24, "0")
        assert list(row["embedding"]) == [int(bits[start : start + 8], 2) for start in (0, 8, 16)]


def test_binary_is_ubinary_less_128():
    pairs = zip(write_vectors(VECTORS, "binary"), write_vectors(VECTORS, "ubinary"), strict=True)
    for signed, unsigned in pairs:
        assert [int(value) + 128 for value in signed["embedding"]] == list(unsigned["embedding"])
        assert signed["embedding"].dtype == np.int8


def test_int8_times_its_scale_is_nearly_the_vector():
    vectors = VECTORS / np.linalg.norm(VECTORS.astype(np.float64), axis=1, keepdims=True).astype(np.float32)
    for row, vector in zip(write_vectors(vectors, "int8"), vectors, strict=True):
        values = row["embedding"].astype(np.int64)
        assert abs(values).max() == 127
        assert np.abs(values * float(row["scale"]) - vector).max() <= 0.501 * float(row["scale"])
    (zeros,) = write_vectors(np.zeros((1, 4), np.float32), "int8")
    assert list(zeros["embedding"]) == [0, 0, 0, 0]


def test_several_forms_make_an_object():
    (row, *_) = write_vectors(VECTORS, ("base64", "int8"))
    assert set(row["embedding"]) == {"base64", "int8"}
    assert row["scale"] > 0
    assert "scale" not in write_vectors(VECTORS, ("float",))[0]
