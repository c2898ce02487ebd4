"""Binding strengths: how strongly a printed part holds together."""

from __future__ import annotations

from typing import NamedTuple

SUM, NEGATIVE, PRODUCT, QUOTIENT, POWER, ATOM = 1, 2, 3, 4, 5, 6
"""Binding strengths, weakest first; a derivative written as a quotient is a factor, but no numerator."""


def strength_of_name(text: str) -> int:
    """How strongly a printed name holds together: one with a place above it, `W^{(1)}`, cannot get a second one."""
    return POWER if any(sign in text for sign in ("^", "'", "<msup", "<msubsup")) else ATOM


class Printed(NamedTuple):
    """A printed part and how strongly it holds together."""

    text: str
    strength: int
