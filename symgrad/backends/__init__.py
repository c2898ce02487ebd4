"""Backends turn a derivation into a numeric program."""

from symgrad.backends.program import BACKENDS, DTYPES, Program, compile, prepared

__all__ = ["BACKENDS", "DTYPES", "Program", "compile", "prepared"]
