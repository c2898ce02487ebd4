"""The functions that native code calls: where they come from, and how far they may be from the numpy backend's.

The C library has most; SciPy's own C functions, which `scipy.special.cython_special` hands out, the rest. They are
called by names of our own (`libm.exp`), so that LLVM neither folds nor replaces them and a program's bits do not depend
on how much of it LLVM could see through.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from symgrad.backends.jit.abi import External
from symgrad.errors import BackendError

LIBRARY = frozenset(
    {"exp", "log", "log1p", "expm1", "sin", "cos", "tan", "asin", "acos", "atan", "atan2"}
    | {"sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "hypot", "pow"}
)
"""What the C library has, in both precisions (`exp`, `expf`)."""

SCIPY: Mapping[str, str] = {
    "erf": "__pyx_fuse_1erf",
    "erfc": "__pyx_fuse_1erfc",
    "lgamma": "gammaln",
    "digamma": "__pyx_fuse_1psi",
}
"""What SciPy has, in double precision, by its name in `cython_special`; the numpy backend calls the same code."""

ULPS: Mapping[str, int] = {
    **dict.fromkeys(LIBRARY, 4),
    **dict.fromkeys((*SCIPY, "polygamma", "abs", "sign", "relu", "max", "min", "hypot", "pow", "softplus"), 0),
}
"""How many units in the last place the jit backend's value of a function may be from the numpy backend's."""

_PURE = "nounwind willreturn memory(none)"


def external(symbol: str, kind: str, arity: int) -> External:
    """A function `libm.NAME` or `scipy.NAME`.

    Args:
        symbol: the name it is called by.
        kind: LLVM's type of its arguments and its value.
        arity: how many arguments.
    """
    library, _, name = symbol.partition(".")
    arguments = [kind] * arity + (["i32"] if library == "scipy" else [])  # Cython's own last argument
    declaration = f"declare {kind} @{symbol}({', '.join(arguments)}) {_PURE}"
    return External(declaration, (lambda: _in_libm(name)) if library == "libm" else (lambda: _in_scipy(name)))


@cache
def _libm() -> ctypes.CDLL:
    if sys.platform == "win32":
        return ctypes.CDLL("ucrtbase")
    try:
        return ctypes.CDLL("libm.so.6")
    except OSError:
        return ctypes.CDLL(None)


def _in_libm(name: str) -> int:
    try:
        function = getattr(_libm(), name)
    except AttributeError:
        raise BackendError(f"this system's C library has no {name!r}; use backend='numpy'.") from None
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def _in_scipy(name: str) -> int:
    from scipy.special import cython_special

    capsule: Any = cython_special.__pyx_capi__[SCIPY[name]]
    api: Any = ctypes.pythonapi
    api.PyCapsule_GetName.restype = ctypes.c_char_p
    api.PyCapsule_GetName.argtypes = [ctypes.py_object]
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    return int(api.PyCapsule_GetPointer(capsule, api.PyCapsule_GetName(capsule)))


def polygamma(order: int) -> External:
    """The polygamma function of an order; no C library has it, so native code calls SciPy back, GIL and all."""
    return External(f"declare double @symgrad.polygamma{order}(double) {_PURE}", lambda: _address(_callback(order)))


def _address(callback: Any) -> int:
    return ctypes.cast(callback, ctypes.c_void_p).value or 0


@cache  # lives for good, as native code may call it at any time
def _callback(order: int) -> Callable[[float], float]:
    from scipy.special import polygamma as function

    return ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(lambda x: float(function(order, x)))
