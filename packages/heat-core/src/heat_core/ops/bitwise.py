"""Operations on bits: rows of the element-wise dispatcher."""

from __future__ import annotations

import numpy as np
import torch

from heat_core.dispatch.elementwise import Kernel, binary, unary
from heat_core.dtypes.unsigned import numpy_on_uint64

__all__ = [
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "invert",
    "left_shift",
    "right_shift",
]

bitwise_and = binary(Kernel("bitwise_and", torch.bitwise_and, kinds="biu", carry="wrap"), "And.")
bitwise_or = binary(Kernel("bitwise_or", torch.bitwise_or, kinds="biu", carry="wrap"), "Or.")
bitwise_xor = binary(
    Kernel("bitwise_xor", torch.bitwise_xor, kinds="biu", carry="wrap"),
    "Exclusive or.",
)
bitwise_invert = bitwise_not = invert = unary(
    Kernel("bitwise_invert", torch.bitwise_not, kinds="biu", carry="wrap"), "Complement."
)
bitwise_left_shift = left_shift = binary(
    Kernel("bitwise_left_shift", torch.bitwise_left_shift, kinds="iu", carry="wrap"),
    "Bits moved up.",
)
bitwise_right_shift = right_shift = binary(
    Kernel(
        "bitwise_right_shift",
        torch.bitwise_right_shift,
        kinds="iu",
        of_uint64=numpy_on_uint64(np.right_shift),
    ),
    "Bits moved down.",
)
