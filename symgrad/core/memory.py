"""Building large trees without looking for garbage in them."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def uncollected(function: Callable[P, R]) -> Callable[P, R]:
    """`function` with Python's cyclic garbage collector at rest while it runs.

    A graph and its derivation are trees without cycles, so there is nothing to collect; but each collection walks
    everything built so far, which makes building them cost more than linear time.
    """

    @functools.wraps(function)
    def resting(*args: P.args, **kwargs: P.kwargs) -> R:
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            return function(*args, **kwargs)
        finally:
            if was_enabled:
                gc.enable()

    return resting
