"""Definitions with shapes, and adjoints with shapes and reasons, in columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import sympy

from symgrad.core.indices import Index
from symgrad.renderers.blanks import blank_text
from symgrad.renderers.document import (
    AdjointRow,
    Adjoints,
    Blank,
    Entrywise,
    Formula,
    Key,
    Name,
    Quantity,
    Reason,
    Shape,
    Slope,
    Tensors,
)
from symgrad.renderers.formula import FormulaPrinter
from symgrad.renderers.values import all_exact, listed

SHAPE_GAP = 6
"""Spaces between a formula and its shape."""

REASON_GAP = 3
"""Spaces between the other columns."""

WIDEST = 76
"""A longer line does not push the others' shapes aside."""

LEAVES = 48
"""The width in which leaves and their shapes are listed."""

LINE = 110
"""Where leaves beside the definitions would reach beyond this, they stand below."""


class TensorRenderer(Protocol):
    """What a format must spell for these blocks."""

    entrywise: str
    partial_sign: str

    @property
    def formula(self) -> FormulaPrinter:
        """The format's formulas."""

    @property
    def matrices(self) -> FormulaPrinter:
        """Definitions in matrix notation, as a user types them."""

    def name_derivatives(self, block: Adjoints | Key) -> FormulaPrinter:
        """Formulas that name the derivatives of a block."""

    def adjoint(self, quantity: Quantity, index: Sequence[Index]) -> str:
        """A derivative, or one entry of it."""

    def alias(self, identifier: str, block: Adjoints | Key) -> str:
        """The letter of a derivative; empty where it has none."""


def definition_lines(renderer: TensorRenderer, block: Tensors) -> list[str]:
    """The definitions with their shapes, and the leaves to their right or below."""
    lefts = []
    for name, index, _, _ in block.rows:
        subscripts = f"[{renderer.formula.subscripts(index)}]" if index else ""
        lefts.append(renderer.formula.name(name) + subscripts)
    printers = [renderer.formula if body.has(sympy.Indexed) else renderer.matrices for *_, body, _ in block.rows]
    rights = [printer.print(body) for printer, (*_, body, _) in zip(printers, block.rows, strict=True)]
    width = max(map(len, lefts), default=0)
    lines = [f"{left.ljust(width)} = {right}" for left, right in zip(lefts, rights, strict=True)]
    shapes = [compact(shape) for *_, shape in block.rows]
    column = max((len(line) for line in lines if len(line) <= WIDEST), default=0) + SHAPE_GAP - 1
    lines = [f"{line.ljust(column - 3)}   {shape}" for line, shape in zip(lines, shapes, strict=True)]
    leaves = [*_wrapped(renderer, block.inputs), *_wrapped(renderer, block.parameters)]
    beside = max(map(len, lines), default=0) + SHAPE_GAP
    if beside + max(map(len, leaves), default=0) > LINE:
        lines += leaves
    else:
        count = max(len(lines), len(leaves))
        lines = [*lines, *[""] * (count - len(lines))]
        leaves = [*leaves, *[""] * (count - len(leaves))]
        lines = [f"{line.ljust(beside)}{leaf}" for line, leaf in zip(lines, leaves, strict=True)]
    return [f"{'Given' if not i else '':8}{line}" for i, line in enumerate(lines)]


def _wrapped(renderer: TensorRenderer, leaves: Sequence[tuple[str, Shape]]) -> list[str]:
    """`x (d,)   y (k,)`, as many a line as fit."""
    lines: list[str] = []
    for name, shape in leaves:
        item = f"{renderer.formula.name(name)} {compact(shape) if shape else '()'}"
        if lines and len(lines[-1]) + len(item) + 3 <= LEAVES:
            lines[-1] += f"   {item}"
        else:
            lines.append(item)
    return lines


def adjoint_lines(renderer: TensorRenderer, block: Adjoints) -> list[str]:
    """One line a derivative: the equation, its shape, why, and its value."""
    formula = renderer.name_derivatives(block)
    lefts = [renderer.adjoint(row.quantity, row.index) for row in block.rows]
    aliases = [renderer.alias(row.quantity.identifier, block) for row in block.rows]
    width = max((len(left) for left, alias in zip(lefts, aliases, strict=True) if not alias), default=0)
    equations = []
    for row, left, alias in zip(block.rows, lefts, aliases, strict=True):
        start = f"{alias} := {left}" if alias else left.ljust(width)
        right = blank_text(row.formula) if isinstance(row.formula, Blank) else formula.print(row.formula)
        equations.append(f"{start} = {right}")
    shape_column = max((len(e) for e in equations if len(e) <= WIDEST), default=0) + SHAPE_GAP
    shapes = [compact(row.shape) for row in block.rows]
    shape_width = max(map(len, shapes), default=0)
    indent = "  " if block.heading else ""
    lines = ["Backward"] if block.heading else []
    for row, equation, shape in zip(block.rows, equations, shapes, strict=True):
        columns = [f"{equation.ljust(shape_column - REASON_GAP)}   {shape.ljust(shape_width)}"]
        columns += [part for part in (told_reason(renderer, formula, row.reason), _value(row)) if part]
        lines.append(indent + (" " * REASON_GAP).join(columns).rstrip())
    return lines


def told_reason(renderer: TensorRenderer, formula: FormulaPrinter, reason: Reason) -> str:
    """Why, in words and formulas."""
    text = ""
    for part in reason:
        match part:
            case str():
                text += part
            case Name():
                text += formula.name(part.name)
            case Formula():
                text += formula.print(part.expression)
            case Entrywise():
                text += renderer.entrywise
            case Slope():
                d = renderer.partial_sign
                text += f"{d}{formula.print(part.of)}/{d}{formula.print(part.by)} = {formula.print(part.value)}"
    return text


def _value(row: AdjointRow) -> str:
    if row.value is None:
        return ""
    if isinstance(row.value, Blank):
        return f"= {blank_text(row.value)}"
    return f"{'=' if all_exact(row.value) else '~'} {listed(row.value)}"


def compact(shape: Shape) -> str:
    """A shape without spaces, `(h,d)`."""
    return f"({','.join(map(str, shape))}{',' if len(shape) == 1 else ''})" if shape else "scalar"
