"""Readers turn what a user has into a `Graph`. Nothing a user writes is ever executed.

The two functions are loaded when they are first used, since the command line reads values before it needs SymPy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from symgrad.readers.files import read_file as read_file
    from symgrad.readers.text import read as read

__all__ = ["read", "read_file"]

_HOMES = {"read": "symgrad.readers.text", "read_file": "symgrad.readers.files"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'symgrad.readers' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
