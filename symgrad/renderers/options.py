"""The options of printing: how much, in which notation."""

from __future__ import annotations

from typing import Literal

Detail = Literal["answer", "chain", "steps"]
"""The result alone; Leibniz, worked and closed forms; the local partials and their rules too."""

DETAILS: tuple[Detail, ...] = ("answer", "chain", "steps")

Notation = Literal["auto", "partial", "total"]
"""∂ throughout, d for totals, or whichever the forks call for."""

NOTATIONS: tuple[Notation, ...] = ("auto", "partial", "total")

Style = Literal["auto", "index"]
"""Tensors in matrix notation where it is usual, or in index notation throughout."""

STYLES: tuple[Style, ...] = ("auto", "index")
