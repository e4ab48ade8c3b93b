"""``heat_core`` with creation functions that return distributed arrays.

The public suite of the array API standard takes this module in place of ``heat_core``.
``HEAT_CORE_TEST_SPLIT`` is the split of new arrays; those without axes are replicated.
"""

from __future__ import annotations

import builtins
import functools
import os
from collections.abc import Callable
from typing import Any

import heat_core
from heat_core import *  # noqa: F403 - the same namespace, with a few functions replaced
from heat_core import (  # noqa: F401 - what star-import leaves out
    __array_api_version__,
    __array_namespace_info__,
    __version__,
    bool,  # noqa: A004
)

SPLIT = int(os.environ.get("HEAT_CORE_TEST_SPLIT", "0"))
CREATION = (
    *("arange", "asarray", "empty", "eye", "full", "linspace", "ones", "zeros"),
    *("empty_like", "full_like", "ones_like", "zeros_like"),
)


def _distributed(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def create(*arguments: Any, **keywords: Any) -> Any:
        array = function(*arguments, **keywords)
        is_new = not builtins.any(array is argument for argument in arguments)
        if is_new and array.ndim and array.split is None:
            array.resplit_(SPLIT)
        return array

    return create


globals().update({name: _distributed(getattr(heat_core, name)) for name in CREATION})
