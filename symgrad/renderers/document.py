"""What is said, before anyone decides how to print it: a flat list of blocks.

`narrate` makes documents, each format prints them. A block holds mathematics as SymPy expressions and `Quantity`s,
never as text, so no decision is ever made on a printed string.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import sympy

from symgrad.core.expression import Expr
from symgrad.core.indices import Extent, Index
from symgrad.renderers.values import Number

Shape: TypeAlias = tuple[Extent, ...]


@dataclass(frozen=True)
class Quantity:
    """A derivative in Leibniz form.

    Args:
        of: what is differentiated.
        by: what by.
        total: whether it prints with d, as a total derivative, or with ∂.
        identifier: its name in the text grammar.
        rank: how many of its subscripts are those of `of`; the others are those of `by`.
        entry: the subscripts, where one entry is meant.
    """

    of: str
    by: str
    total: bool
    identifier: str
    rank: int = 0
    entry: tuple[int, ...] = ()


@dataclass(frozen=True)
class Product:
    """Factors that are shown side by side and not multiplied out."""

    factors: tuple[Inline, ...]


@dataclass(frozen=True)
class Sum:
    """Terms that are shown one after the other."""

    terms: tuple[Inline, ...]


@dataclass(frozen=True)
class Blank:
    """A numbered space to write in.

    Args:
        number: from 1 on, through the whole document.
        short: whether a number belongs there, and not a formula.
    """

    number: int
    short: bool = False


Inline: TypeAlias = Expr | Quantity | Product | Sum | Blank


@dataclass(frozen=True)
class Row:
    """`cells[0] = cells[1] = …`, with a remark and a value beside it.

    Args:
        cells: what is equal; None continues the row above.
        note: the name of a rule.
        cases: the conditions that hold at the point, where the row distinguishes cases.
        value: the number at the point, if one was given.
    """

    cells: tuple[Inline | None, ...]
    note: str = ""
    cases: tuple[sympy.Basic, ...] = ()
    value: float | Blank | None = None


@dataclass(frozen=True)
class Given:
    """The definitions."""

    rows: tuple[tuple[str, Expr], ...]


@dataclass(frozen=True)
class Chain:
    """The only path, from a name to the output."""

    nodes: tuple[str, ...]


@dataclass(frozen=True)
class Paths:
    """Several paths, each with its factors and its product."""

    items: tuple[tuple[tuple[str, ...], Row], ...]


@dataclass(frozen=True)
class Equations:
    """Rows with their equals signs in one column; `local` ones are set in."""

    rows: tuple[Row, ...]
    local: bool = False


@dataclass(frozen=True)
class Remark:
    """A sentence.

    Args:
        parts: words, names of nodes in `Name`, and quantities.
        outcome: whether it says what a derivative comes to.
    """

    parts: tuple[str | Name | Quantity, ...]
    outcome: bool = False


@dataclass(frozen=True)
class Name:
    """A node's name within a sentence."""

    name: str


@dataclass(frozen=True)
class Legend:
    """What d and ∂ mean; `needed` where a name reaches the output both directly and indirectly."""

    needed: bool


@dataclass(frozen=True)
class Heading:
    """A line that opens a part."""

    text: str


@dataclass(frozen=True)
class Table:
    """Numbers in columns; the first column is a quantity."""

    header: tuple[Quantity | str, ...]
    rows: tuple[tuple[Quantity | str, ...], ...]


@dataclass(frozen=True)
class Tensors:
    """The definitions where there are tensors, their shapes, and the leaves beside them.

    Args:
        rows: name, own indices where the formula is in index notation, formula, shape.
        inputs: the leaves that are not asked for, with their shapes.
        parameters: those that are.
    """

    rows: tuple[tuple[str, tuple[Index, ...], Expr, Shape], ...]
    inputs: tuple[tuple[str, Shape], ...]
    parameters: tuple[tuple[str, Shape], ...]


@dataclass(frozen=True)
class Convention:
    """A convention in words, after its name."""

    name: str
    text: str


@dataclass(frozen=True)
class Alias:
    """A letter, with a number if there are several, for a derivative that is used again."""

    letter: str
    number: int | None = None


@dataclass(frozen=True)
class Slope:
    """A local partial between entries, `∂z[i]/∂W[i,j] = x[j]`."""

    of: Expr
    by: Expr
    value: Expr


@dataclass(frozen=True)
class Formula:
    """A formula within a sentence."""

    expression: Expr


@dataclass(frozen=True)
class Entrywise:
    """The sign for a product entry by entry."""


Reason: TypeAlias = tuple[str | Name | Slope | Formula | Entrywise, ...]


@dataclass(frozen=True)
class AdjointRow:
    """`quantity[index] = formula`, its shape, a reason and a value.

    Args:
        quantity: the derivative.
        index: the indices of the left-hand side, where the formula is in index notation.
        formula: in matrix notation or in entries.
        shape: of the derivative.
        reason: why it has this form, told once a kind.
        value: the number, or nested lists of numbers, at the point, if it is small.
    """

    quantity: Quantity
    index: tuple[Index, ...]
    formula: Expr | Blank
    shape: Shape
    reason: Reason = ()
    value: Number | Blank | None = None


@dataclass(frozen=True)
class Adjoints:
    """Derivatives one after the other; each may use those before it.

    Args:
        rows: in order.
        quantities: the derivatives that formulas name, by their identifiers.
        aliases: short names, by the same.
        heading: whether the word Backward stands before them.
    """

    rows: tuple[AdjointRow, ...]
    quantities: Mapping[str, Quantity]
    aliases: Mapping[str, Alias]
    heading: bool = True


@dataclass(frozen=True)
class Solution:
    """What belongs into a blank.

    Args:
        blank: the blank of the formula.
        formula: what is to be found.
        because: what gives the formula away, and so does not stand beside the blank.
        cases: the conditions that hold at the point, where the formula distinguishes cases.
        value: the blank of the number beside it, and the number.
    """

    blank: Blank
    formula: Inline
    because: Reason = ()
    cases: tuple[sympy.Basic, ...] = ()
    value: tuple[Blank, Number] | None = None


@dataclass(frozen=True)
class Key:
    """The solutions of a worksheet.

    Args:
        solutions: in the order of their numbers.
        quantities: the derivatives that formulas name, by their identifiers.
        aliases: short names, by the same.
    """

    solutions: tuple[Solution, ...]
    quantities: Mapping[str, Quantity]
    aliases: Mapping[str, Alias]


@dataclass(frozen=True)
class Gap:
    """An empty line."""


Block: TypeAlias = (
    Given | Chain | Paths | Equations | Remark | Legend | Heading | Table | Gap | Tensors | Convention | Adjoints | Key
)
Document: TypeAlias = tuple[Block, ...]
