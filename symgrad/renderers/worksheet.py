"""Worksheets: a derivation with blanks to fill in, and the key to them.

What is given stays: definitions, names, paths, left-hand sides, shapes, the names of the rules and the conventions at
kinks. What is to be found becomes a numbered blank: every right-hand side and every value. A remark that gives a result
away stands in the key: a reason with a formula in it, the case that holds at the point, a sentence that says that a
derivative is 0. The name of a rule says how to find a result, not what it is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

import sympy

from symgrad.core.derivation import Derivation
from symgrad.core.results import Evaluation
from symgrad.renderers.document import (
    AdjointRow,
    Adjoints,
    Alias,
    Blank,
    Block,
    Chain,
    Convention,
    Document,
    Entrywise,
    Equations,
    Formula,
    Gap,
    Given,
    Heading,
    Inline,
    Key,
    Legend,
    Name,
    Paths,
    Quantity,
    Reason,
    Remark,
    Row,
    Slope,
    Solution,
    Table,
    Tensors,
)
from symgrad.renderers.picture import Picture
from symgrad.renderers.values import Number, exactly


def worksheet(document: Document, *, blanks: bool, solutions: bool) -> Document:
    """The sheet, the key, or the key below the sheet.

    Args:
        document: a derivation as `narrate` or `narrate_tensors` tells it.
        blanks: whether to make the sheet.
        solutions: whether to make the key; its numbers are the same without the sheet.
    """
    maker = _Maker(document)
    sheet, key = maker.sheet(), maker.key()
    match blanks, solutions:
        case True, True:
            return (*sheet, Gap(), key)
        case True, False:
            return sheet
        case False, True:
            return (key,)
        case _:
            return document


def with_problem(
    document: Document, definitions: Document, derivation: Derivation, evaluation: Evaluation | None
) -> Document:
    """What a sheet has to tell first: the definitions, even where the answer alone is told, and the point."""
    place = next((i for i, block in enumerate(document, 1) if isinstance(block, (Given, Tensors))), None)
    if place is None:
        document, place = (*definitions, Gap(), *document), len(definitions)
    point = point_of(derivation, evaluation) if evaluation else None
    return (*document[:place], *([point] if point else []), *document[place:])


def point_of(derivation: Derivation, evaluation: Evaluation) -> Remark | None:
    """The sentence that says where the values are to be found, `At x = 3 and w = 1.`; None where there is no leaf."""
    used = derivation.primal.ancestors(derivation.output)
    leaves = [name for name in derivation.primal.leaves if name in used and name in evaluation.nodes]
    if not leaves:
        return None
    parts: list[str | Name] = []
    for position, name in enumerate(leaves):
        joint = "At " if not position else " and " if position == len(leaves) - 1 else ", "
        parts += [joint, Name(name), f" = {exactly(evaluation.nodes[name])}"]
    return Remark((*parts, "."))


def without_partials(picture: Picture) -> Picture:
    """A picture for a sheet: even one without numbers tells local partials, on an edge or where it is pointed at."""
    return replace(picture, arrows=tuple(replace(arrow, label="", told="") for arrow in picture.arrows))


class _Maker:
    """Replaces what is to be found by blanks, and remembers it."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.count = 0
        self.solutions: list[Solution] = []
        self.outcome: Remark | None = None
        self.quantities: dict[str, Quantity] = {}
        self.aliases: dict[str, Alias] = {}
        self.has_values = any(row.value is not None for block in document for row in _rows_of(block))

    def sheet(self) -> Document:
        """The blocks with blanks."""
        made = (self.block(block) for block in self.document)
        return tuple(block for block in made if block is not None)

    def key(self) -> Key:
        """What was replaced."""
        return Key(tuple(self.solutions), self.quantities, self.aliases)

    def block(self, block: Block) -> Block | None:
        """A block with blanks; None where it gives a result away."""
        match block:
            case Equations():
                return replace(block, rows=tuple(self.row(row, given=1) for row in block.rows))
            case Paths():
                return Paths(tuple((nodes, self.row(row, given=0)) for nodes, row in block.items))
            case Adjoints():
                self.quantities |= block.quantities
                self.aliases |= block.aliases
                return replace(block, rows=tuple(self.adjoint_row(row) for row in block.rows))
            case Remark() if block.outcome:
                self.outcome = block
                return None
            case (
                Given() | Chain() | Remark() | Legend() | Heading() | Table() | Gap() | Tensors() | Convention() | Key()
            ):
                return block
            case _:
                assert_never(block)

    def row(self, row: Row, given: int) -> Row:
        """A row whose first cells are given, and all others to be found."""
        cells = list(row.cells)
        places = [place for place, cell in enumerate(cells) if place >= given and cell is not None]
        value: Blank | None = None
        for place in places:
            formula, blank = cells[place], self.next_blank()
            assert formula is not None
            solution = Solution(blank, formula, self.because(), row.cases if place == places[0] else ())
            if place == places[-1] and (number := self.number(formula, row.value)) is not None:
                value = self.next_blank(short=not isinstance(number, list))
                solution = replace(solution, value=(value, number))
            cells[place] = blank
            self.solutions.append(solution)
        return Row(tuple(cells), row.note, (), value)

    def adjoint_row(self, row: AdjointRow) -> AdjointRow:
        """A derivative whose formula is to be found; its shape is given."""
        told = _tells(row.reason)
        blank, value = self.next_blank(), None
        assert not isinstance(row.formula, Blank)
        solution = Solution(blank, row.formula, self.because() + (row.reason if told else ()))
        if (number := self.number(row.formula if not row.shape else None, row.value)) is not None:
            value = self.next_blank(short=not isinstance(number, list))
            solution = replace(solution, value=(value, number))
        self.solutions.append(solution)
        return replace(row, formula=blank, reason=() if told else row.reason, value=value)

    def next_blank(self, short: bool = False) -> Blank:
        """The blank with the next number."""
        self.count += 1
        return Blank(self.count, short)

    def because(self) -> Reason:
        """The sentence that gave the next result away, once."""
        found, self.outcome = self.outcome, None
        return () if found is None else tuple(p for p in found.parts if not isinstance(p, Quantity))

    def number(self, formula: Inline | None, value: Number | Blank | None) -> Number | None:
        """The value to be found; where there are values, a formula that is a number is its own."""
        if value is None and self.has_values and isinstance(formula, sympy.Number):
            return float(formula)
        assert not isinstance(value, Blank)
        return value


def _tells(reason: Reason) -> bool:
    """Whether a reason holds a part of the formula."""
    return any(isinstance(part, (Slope, Formula, Entrywise)) for part in reason)


def _rows_of(block: Block) -> tuple[Row | AdjointRow, ...]:
    match block:
        case Equations() | Adjoints():
            return block.rows
        case Paths():
            return tuple(row for _, row in block.items)
        case _:
            return ()
