"""Element-wise functions. A row: names, a call, and the oracle if NumPy has no namesake.

The call gets the function and arrays by the names of its parameters (see ``data.py``).
"""

from __future__ import annotations

from typing import Any

CASES: list[tuple[Any, ...]] = [
    # of one array
    ("absolute negative positive sign square reciprocal", lambda f, x: f(x)),
    ("absolute negative positive sign square", lambda f, i: f(i)),
    ("absolute negative square reciprocal sqrt exp", lambda f, z: f(z)),
    ("sqrt exp exp2 expm1 log log2 log10 log1p", lambda f, r: f(r)),
    ("sqrt exp expm1 log log2 log10 log1p sin", lambda f, j: f(j)),
    ("sin cos tan sinh cosh tanh arcsin arccos arctan arcsinh arctanh sinc", lambda f, r: f(r)),
    ("arccosh", lambda f, r: f(r + 1)),
    ("deg2rad rad2deg", lambda f, x: f(x)),
    ("ceil floor trunc rint", lambda f, x: f(x)),
    ("ceil floor trunc", lambda f, i: f(i)),
    ("round", lambda f, x: f(x, 2)),
    ("round rint", lambda f, z: f(z)),
    ("round", lambda f, i: f(i * 9, -1)),
    ("log1p arccos", lambda f, z: f(z)),
    ("bitwise_invert", lambda f, i: f(i)),
    ("bitwise_invert", lambda f, m: f(m)),
    ("isnan isinf isfinite isneginf isposinf signbit logical_not nan_to_num", lambda f, y: f(y)),
    ("logical_not", lambda f, m: f(m)),
    ("real imag conj angle iscomplex isreal", lambda f, z: f(z)),
    ("real imag conj iscomplex isreal", lambda f, x: f(x)),
    ("clip", lambda f, x: f(x, -0.5, 0.5)),
    ("clip", lambda f, x, row: f(x, row, None)),
    ("clip", lambda f, i: f(i, -2, 3)),
    ("cbrt i0", lambda f, r: f(r)),
    ("cbrt", lambda f, x: f(x)),
    ("bitwise_count", lambda f, j: f(j)),

    ("modf frexp", lambda f, x: f(x)),
    ("unwrap", lambda f, x: f(x * 9)),
    ("unwrap", lambda f, x: f(x * 9, axis=0)),
    # of two
    ("add subtract multiply divide floor_divide remainder fmod hypot", lambda f, x, r: f(x, r)),
    ("copysign maximum minimum fmax fmin logaddexp logaddexp2 arctan2", lambda f, x, r: f(x, r)),
    ("nextafter", lambda f, x, r: f(x, r)),
    ("add subtract multiply divide floor_divide remainder fmod", lambda f, i, j: f(i, j)),
    ("add subtract multiply divide floor_divide remainder", lambda f, i: f(i, 3)),
    ("subtract divide floor_divide remainder", lambda f, j: f(7, j)),
    ("power float_power", lambda f, r, x: f(r, x)),
    ("power float_power", lambda f, i: f(i, 2)),
    ("add multiply subtract", lambda f, x, row: f(x, row)),
    ("add multiply subtract", lambda f, col, row: f(col, row)),
    ("add multiply divide power", lambda f, z: f(z, 2)),
    ("add multiply", lambda f, x, i: f(x, i)),
    ("maximum minimum fmax fmin", lambda f, y, r: f(y, r)),
    ("heaviside ldexp", lambda f, x, j: f(x, j)),
    ("divmod", lambda f, i, j: f(i, j)),
    ("gcd lcm bitwise_and bitwise_or bitwise_xor", lambda f, i, j: f(i, j)),
    ("bitwise_and bitwise_or bitwise_xor", lambda f, m, n: f(m, n)),
    ("bitwise_left_shift bitwise_right_shift", lambda f, i, j: f(i, j)),
    ("equal not_equal less less_equal greater greater_equal", lambda f, i, j: f(i, j)),
    ("equal not_equal less less_equal greater greater_equal", lambda f, i, row: f(i, row)),
    ("logical_and logical_or logical_xor", lambda f, m, i: f(m, i)),
    ("isclose", lambda f, y: f(y, y)),
    ("isclose", lambda f, y: f(y, y, equal_nan=True)),
    ("allclose array_equal array_equiv", lambda f, x, r: f(x, r)),
    ("allclose array_equal array_equiv", lambda f, x: f(x, x)),
    ("where", lambda f, m, x, r: f(m, x, r)),
    ("where", lambda f, m, y: f(m, y, 0.0)),
    ("where", lambda f, m: f(m)),
    ("select", lambda f, m, n, x, r: f([m, n], [x, r], 7.0)),
    ("piecewise", lambda f, x: f(x, [x < 0, x >= 0], [-1.0, 1.0])),
]  # fmt: skip
