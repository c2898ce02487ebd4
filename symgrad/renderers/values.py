"""Numbers beside formulas: short where they are short, marked with ≈ where they had to be cut."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

Number: TypeAlias = "float | list[Number]"
"""A value, or nested lists of them."""

DIGITS = 9
"""Significant digits shown at most; JSON is where every digit stands."""


def short(value: float) -> str:
    """A number for reading: `-18`, `0.2`, `-17.8`, at most nine digits; a zero has no sign."""
    value += 0.0  # the one number that this changes is -0.0
    text = f"{value:.{DIGITS}g}"
    return text if float(text) != value or len(repr(value)) > len(text) else _trimmed(repr(value))


def is_exact(value: float) -> bool:
    """Whether `short` loses nothing."""
    return math.isnan(value) or float(short(value)) == value


def listed(value: Number) -> str:
    """A number, or nested lists of numbers, for reading."""
    return f"[{', '.join(map(listed, value))}]" if isinstance(value, list) else short(value)


def all_exact(value: Number) -> bool:
    """Whether `listed` loses nothing."""
    return all(map(all_exact, value)) if isinstance(value, list) else is_exact(value)


def valued(value: Number | None) -> str:
    """`= −6` or `≈ 0.333333333`; empty where there is no value."""
    if value is None:
        return ""
    return f"{'=' if all_exact(value) else '≈'} {listed(value).replace('-', '−')}"


def aligned(values: Sequence[float | None]) -> list[str]:
    """Each value after its sign of equality, decimal points in one column; empty where there is none."""
    shown = [None if value is None else short(value) for value in values]
    width = max((len(_whole(text)) for text in shown if text is not None), default=0)
    return [
        ""
        if text is None or value is None
        else ("= " if is_exact(value) else "~ ") + " " * (width - len(_whole(text))) + text
        for text, value in zip(shown, values, strict=True)
    ]


def _whole(text: str) -> str:
    return text.partition("e")[0].partition(".")[0]


def _trimmed(text: str) -> str:
    return text[:-2] if text.endswith(".0") else text


LISTED = 8
"""An array with more entries is told by its shape."""


def whole(value: Any) -> str:
    """A value with all its digits; a large array by its shape and its range."""
    shape = getattr(value, "shape", ())
    if not shape:
        return str(value)
    if value.size <= LISTED:
        return str(value.tolist())
    return f"array of shape {shape}, from {value.min():.6g} to {value.max():.6g}"


def exactly(value: Any) -> str:
    """A value with all its digits, but `3` for 3.0; a large array by its shape and its range."""
    if getattr(value, "size", 1) > LISTED:
        return whole(value)
    plain: Number = value.tolist() if hasattr(value, "tolist") else value
    return listed(plain) if all_exact(plain) else str(plain)
