"""Hand-written C beside which symgrad is measured, compiled at run time by `gcc -O3 -march=native`."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy
from scipy.linalg import cython_blas

FLAGS = ("-O3", "-march=native", "-std=gnu11", "-shared", "-fPIC")
MISSING = "" if shutil.which("gcc") else "gcc is not installed"
"""Why the references cannot be used; empty where they can."""

Double = ctypes.c_double
Float = ctypes.c_float
Long = ctypes.c_long
Pointer = ctypes.c_void_p
by_reference = ctypes.byref


@lru_cache
def compiled_c(name: str, *flags: str) -> ctypes.CDLL:
    """A C source of this folder, compiled, with further flags if need be, and loaded."""
    source = Path(__file__).parent / f"{name}.c"
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / f"{name}.so"
        subprocess.run(["gcc", *FLAGS, *flags, str(source), "-o", str(made), "-lm"], check=True)
        return ctypes.CDLL(str(made))  # what is loaded outlives the file


def address(array: numpy.ndarray) -> Pointer:
    """Where an array begins, which must be laid out row by row; the pointer keeps the array alive."""
    assert array.flags.c_contiguous
    return array.ctypes.data_as(Pointer)


def sgemm() -> Pointer:
    """BLAS's single precision matrix product, the one SciPy brings."""
    capsule: Any = cython_blas.__pyx_capi__["sgemm"]
    name = ctypes.pythonapi.PyCapsule_GetName
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return Pointer(pointer(capsule, name(capsule)))
