"""Binding strengths: how strongly a printed part holds together."""

from __future__ import annotations

from typing import NamedTuple

SUM, NEGATIVE, PRODUCT, QUOTIENT, POWER, ATOM = 1, 2, 3, 4, 5, 6
"""Binding strengths, weakest first; a derivative written as a quotient is a factor, but no numerator."""


class Printed(NamedTuple):
    """A printed part and how strongly it holds together."""

    text: str
    strength: int
