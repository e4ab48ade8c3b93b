"""The Python array API standard: the names, their parameters and the types of results.

The list is written down here; the public test suite, which also looks at values, is run by
``hatch run test heat-core --array-api`` (see CONTRIBUTING.md).
"""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest

import heat_core as ht

# "/" closes the positional-only parameters and "*" opens the keyword-only ones.
SIGNATURES: dict[str, str] = {
    **dict.fromkeys(
        [
            "abs",
            "acos",
            "acosh",
            "asin",
            "asinh",
            "atan",
            "atanh",
            "bitwise_invert",
            "ceil",
            "conj",
            "cos",
            "cosh",
            "exp",
            "expm1",
            "floor",
            "imag",
            "isfinite",
            "isinf",
            "isnan",
            "log",
            "log1p",
            "log2",
            "log10",
            "logical_not",
            "negative",
            "positive",
            "real",
            "reciprocal",
            "round",
            "sign",
            "signbit",
            "sin",
            "sinh",
            "square",
            "sqrt",
            "tan",
            "tanh",
            "trunc",
        ],
        "x /",
    ),
    **dict.fromkeys(
        [
            "add",
            "atan2",
            "bitwise_and",
            "bitwise_left_shift",
            "bitwise_or",
            "bitwise_right_shift",
            "bitwise_xor",
            "copysign",
            "divide",
            "equal",
            "floor_divide",
            "greater",
            "greater_equal",
            "hypot",
            "less",
            "less_equal",
            "logaddexp",
            "logical_and",
            "logical_or",
            "logical_xor",
            "maximum",
            "minimum",
            "multiply",
            "nextafter",
            "not_equal",
            "pow",
            "remainder",
            "subtract",
        ],
        "x1 x2 /",
    ),
    "clip": "x / min max",
    "arange": "start / stop step * dtype device",
    "asarray": "obj / * dtype device copy",
    "empty": "shape * dtype device",
    "empty_like": "x / * dtype device",
    "eye": "n_rows n_cols / * k dtype device",
    "from_dlpack": "x / * device copy",
    "full": "shape fill_value * dtype device",
    "full_like": "x / fill_value * dtype device",
    "linspace": "start stop / num * dtype device endpoint",
    "meshgrid": "*arrays indexing",
    "ones": "shape * dtype device",
    "ones_like": "x / * dtype device",
    "tril": "x / * k",
    "triu": "x / * k",
    "zeros": "shape * dtype device",
    "zeros_like": "x / * dtype device",
    "broadcast_arrays": "*arrays",
    "broadcast_shapes": "*shapes",
    "broadcast_to": "x / shape",
    "concat": "arrays / * axis",
    "expand_dims": "x / axis",
    "flip": "x / * axis",
    "moveaxis": "x source destination /",
    "permute_dims": "x / axes",
    "repeat": "x repeats / * axis",
    "reshape": "x / shape * copy",
    "roll": "x / shift * axis",
    "squeeze": "x / axis",
    "stack": "arrays / * axis",
    "tile": "x repetitions /",
    "unstack": "x / * axis",
    "argmax": "x / * axis keepdims",
    "argmin": "x / * axis keepdims",
    "count_nonzero": "x / * axis keepdims",
    "nonzero": "x /",
    "searchsorted": "x1 x2 / * side sorter",
    "where": "condition x1 x2 /",
    "cumulative_prod": "x / * axis dtype include_initial",
    "cumulative_sum": "x / * axis dtype include_initial",
    "max": "x / * axis keepdims",
    "mean": "x / * axis keepdims",
    "min": "x / * axis keepdims",
    "prod": "x / * axis dtype keepdims",
    "std": "x / * axis correction keepdims",
    "sum": "x / * axis dtype keepdims",
    "var": "x / * axis correction keepdims",
    "all": "x / * axis keepdims",
    "any": "x / * axis keepdims",
    "diff": "x / * axis n prepend append",
    "isin": "x1 x2 / * invert",
    "unique_all": "x /",
    "unique_counts": "x /",
    "unique_inverse": "x /",
    "unique_values": "x /",
    "argsort": "x / * axis descending stable",
    "sort": "x / * axis descending stable",
    "take": "x indices / * axis",
    "take_along_axis": "x indices / * axis",
    "astype": "x dtype / * copy device",
    "can_cast": "from_ to /",
    "finfo": "type /",
    "iinfo": "type /",
    "isdtype": "dtype kind",
    "result_type": "*arrays_and_dtypes",
    "matmul": "x1 x2 /",
    "matrix_transpose": "x /",
}
DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
DTYPES += ["float32", "float64", "complex64", "complex128"]
REAL_OF = {"complex64": "float32", "complex128": "float64"}
FLOAT_FUNCTIONS = ["acos", "asin", "atan", "cos", "exp", "log", "sin", "sqrt", "tan", "tanh"]
SAME_TYPE_FUNCTIONS = ["ceil", "floor", "round", "trunc", "sign", "square", "abs", "positive"]


@pytest.mark.parametrize("name", SIGNATURES)
def test_parameters_are_those_of_the_standard(name: str) -> None:
    parameters = list(inspect.signature(getattr(ht, name)).parameters.values())
    words = SIGNATURES[name].split()
    if words[0].startswith("*"):
        assert parameters[0].kind is inspect.Parameter.VAR_POSITIONAL
        words, keywords = [], words[1:]
    else:
        stop = words.index("*") if "*" in words else len(words)
        words, keywords = words[:stop], words[stop + 1 :]
    positional_only = words.index("/") if "/" in words else 0
    words = [word for word in words if word != "/"]
    assert len(parameters) >= len(words)
    for place, word in enumerate(words):
        assert parameters[place].kind in (
            inspect.Parameter.POSITIONAL_ONLY,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
        )
        if place >= positional_only:
            assert parameters[place].name == word
            assert parameters[place].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    by_name = {parameter.name: parameter for parameter in parameters}
    for word in keywords:
        assert by_name[word].kind in (
            inspect.Parameter.KEYWORD_ONLY,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
        )


@pytest.mark.parametrize("dtype", DTYPES)
def test_types_of_results(dtype: str) -> None:
    kind = getattr(ht, dtype)
    x = ht.ones((3,), dtype=kind)
    if ht.isdtype(kind, ("real floating", "complex floating")):
        for name in FLOAT_FUNCTIONS:
            assert getattr(ht, name)(x).dtype is kind
    if ht.isdtype(kind, ("integral", "real floating")):
        for name in SAME_TYPE_FUNCTIONS:
            assert getattr(ht, name)(x).dtype is kind
    assert ht.equal(x, x).dtype is ht.bool
    assert ht.real(x).dtype is (
        {"complex64": ht.float32, "complex128": ht.float64}.get(dtype, kind)
    )
    if kind is not ht.bool:
        assert ht.add(x, x).dtype is kind
    assert ht.asarray([1], dtype=kind).dtype is kind
    assert ht.astype(x, ht.float64 if dtype[0] != "c" else ht.complex128).shape == (3,)


def test_namespace_describes_itself() -> None:
    info: Any = ht.__array_namespace_info__()
    assert ht.__array_api_version__ == "2025.12"
    assert ht.ones(2).__array_namespace__(api_version="2021.12") is ht
    with pytest.raises(ValueError, match="1999"):
        ht.ones(2).__array_namespace__(api_version="1999.12")
    assert info.capabilities() == {
        "boolean indexing": True,
        "data-dependent shapes": True,
        "max dimensions": 64,
    }
    assert info.default_device() in info.devices()
    assert set(info.dtypes()) == set(DTYPES)
    assert set(info.dtypes(kind="unsigned integer")) == {"uint8", "uint16", "uint32", "uint64"}
    assert info.default_dtypes()["integral"] is ht.int64
    assert (ht.pi, ht.e, ht.inf) == (math.pi, math.e, math.inf)


def test_dtype_reached_without_rounding() -> None:
    assert ht.asarray(1e-261, dtype=ht.float64).item() == 1e-261
    assert ht.asarray([2**64 - 1], dtype=ht.uint64).tolist() == [2**64 - 1]
    assert ht.float64 != {"float64": 1}


def test_dlpack_round_trip() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    x = ht.from_dlpack(array)
    np.testing.assert_array_equal(np.from_dlpack(x), array)
    assert ht.from_dlpack(x, copy=True).larray.data_ptr() != x.larray.data_ptr()
    assert x.to_device(x.device) is x


@pytest.mark.parallel([2, 3])
def test_dlpack_of_a_distributed_array_is_refused() -> None:
    with pytest.raises(BufferError, match="distributed"):
        ht.arange(6, split=0).__dlpack__()


@pytest.mark.parallel([1, 3])
def test_special_values(every_layout: Any) -> None:
    x1 = np.array([-0.0, 0.0, 5.5, -6.0])
    for x in every_layout(x1):
        for divisor in (3.0, -3.0):
            found = ht.remainder(x, divisor)
            expected = np.remainder(x1, divisor)
            np.testing.assert_array_equal(found.numpy(), expected)
            np.testing.assert_array_equal(ht.signbit(found).numpy(), np.signbit(expected))
    signs = ht.sign(ht.array([np.nan, -2.0, 0.0])).numpy()
    np.testing.assert_array_equal(signs, [np.nan, -1, 0])


@pytest.mark.parallel([1, 2])
def test_arrays_within_lists_and_clip_without_limits() -> None:
    x = ht.arange(4, split=0)
    gathered = ht.asarray([[x[3], x[0]], [x[1], x[2]]])
    assert gathered.dtype is ht.int64
    assert gathered.tolist() == [[3, 0], [1, 2]]
    assert ht.clip(x).tolist() == x.tolist()


@pytest.mark.parallel([1, 2, 3])
def test_parts_of_complex_numbers_in_every_layout(every_layout: Any, check: Any) -> None:
    z = np.array([[1 + 2j, -3j, 4], [0.5, -1 - 1j, 2j]], dtype=np.complex64)
    for x in every_layout(z):
        check(ht.real(x), z.real)
        check(ht.imag(x), z.imag)
        check(ht.conj(x), z.conj())
