"""Plain text and Unicode for a terminal, from one document."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import assert_never

import sympy

from symgrad.core.indices import Index
from symgrad.renderers.blanks import blank_text
from symgrad.renderers.document import (
    Adjoints,
    Blank,
    Block,
    Chain,
    Convention,
    Document,
    Equations,
    Gap,
    Given,
    Heading,
    Inline,
    Key,
    Legend,
    Name,
    Paths,
    Product,
    Quantity,
    Remark,
    Row,
    Sum,
    Table,
    Tensors,
)
from symgrad.renderers.formula import FormulaPrinter, TextPrinter, UnicodePrinter
from symgrad.renderers.key_lines import key_lines
from symgrad.renderers.plain_names import plain_name
from symgrad.renderers.strength import NEGATIVE, PRODUCT
from symgrad.renderers.tensor_lines import adjoint_lines, definition_lines
from symgrad.renderers.values import aligned

GAP = 6
"""Spaces between a formula and the rule beside it."""


WIDEST = 110
"""A longer line does not push the others' rules and values aside."""


class LineRenderer:
    """Prints a document as lines of text; what differs between ASCII and Unicode are the class's own few words."""

    arrow: str
    dot: str
    legend: str
    legend_always: bool
    entrywise: str
    partial_sign: str
    formula: FormulaPrinter
    definition: FormulaPrinter
    matrices: FormulaPrinter

    @abstractmethod
    def quantity(self, quantity: Quantity) -> str:
        """A derivative."""

    @abstractmethod
    def adjoint(self, quantity: Quantity, index: Sequence[Index]) -> str:
        """A derivative, or one entry of it."""

    @abstractmethod
    def name_derivatives(self, block: Adjoints | Key) -> FormulaPrinter:
        """Formulas that name the derivatives of a block."""

    @abstractmethod
    def alias(self, identifier: str, block: Adjoints | Key) -> str:
        """The letter of a derivative; empty where it has none."""

    def render(self, document: Document) -> str:
        """The whole document, without a newline at its end."""
        lines: list[str] = []
        for section in _sections(document):
            widths = _Widths()
            for block in section:
                widths.measure(self, block)
            for block in section:
                lines += self.block(block, widths)
        while lines and not lines[0]:
            lines.pop(0)
        return "\n".join(line.rstrip() for line in lines)

    def block(self, block: Block, widths: _Widths) -> list[str]:
        """The lines of one block."""
        match block:
            case Given():
                width = max((len(self.formula.name(name)) for name, _ in block.rows), default=0)
                rows = [
                    f"{self.formula.name(n).ljust(width)} = {self.definition.print(body)}" for n, body in block.rows
                ]
                return [f"{'Given' if not i else '':8}{row}" for i, row in enumerate(rows)]
            case Chain():
                return [f"{'Path':8}{self.chain(block.nodes)}"]
            case Paths():
                return self.paths(block, widths)
            case Equations():
                return self.equations(block, widths)
            case Remark():
                return ["".join(self.piece(part) for part in block.parts)]
            case Legend():
                return ["", self.legend] if block.needed or self.legend_always else []
            case Heading():
                return [block.text]
            case Table():
                return self.table(block)
            case Tensors():
                return definition_lines(self, block)
            case Convention():
                return [f"{block.name:8}{block.text}"]
            case Adjoints():
                return [self.spelled(line) for line in adjoint_lines(self, block)]
            case Key():
                return [self.spelled(line) for line in key_lines(self, block)]
            case Gap():
                return [""]
            case _:
                assert_never(block)

    def chain(self, nodes: Sequence[str]) -> str:
        """`w → y_pred → l`."""
        return f" {self.arrow} ".join(self.formula.name(node) for node in nodes)

    def piece(self, part: str | Name | Quantity) -> str:
        """A part of a sentence."""
        match part:
            case Name():
                return self.formula.name(part.name)
            case Quantity():
                return self.quantity(part)
            case _:
                return part

    def inline(self, inline: Inline, least: int = 0) -> str:
        """Mathematics within a line."""
        match inline:
            case Quantity():
                return self.quantity(inline)
            case Product():
                parts = [self.inline(f, PRODUCT if i else NEGATIVE) for i, f in enumerate(inline.factors)]
                return f" {self.dot} ".join(parts)
            case Sum():
                return self.sum(inline)
            case Blank():
                return blank_text(inline)
            case _:
                return self.formula.print(inline, least)

    def sum(self, total: Sum) -> str:
        """Terms one after the other; a leading minus joins them."""
        text = self.inline(total.terms[0], NEGATIVE)
        for term in total.terms[1:]:
            printed = self.inline(term, NEGATIVE)
            minus = self.formula.minus
            text += f" {minus} {printed[len(minus) :]}" if printed.startswith(minus) else f" + {printed}"
        return text

    def note(self, row: Row) -> str:
        """The rule's name, and the cases that hold."""
        cases = ", ".join(self.formula.condition(condition) for condition in row.cases)
        return f"{row.note}: {cases}" if cases else row.note

    def equations(self, block: Equations, widths: _Widths) -> list[str]:
        """Rows with their equals signs in one column."""
        indent = "  " if block.local else ""
        lefts = [self.left(row) for row in block.rows]
        width = max((len(left) for left in lefts), default=0)
        values = self.values(block.rows)
        lines = []
        for row, left, value in zip(block.rows, lefts, values, strict=True):
            if not row.cells:
                lines.append(f"{indent}{' ' * width}   ({row.note})")
                continue
            line = f"{indent}{left.ljust(width)} = {self.right(row)}"
            note = self.note(row)
            if note:
                line = line.ljust(max(widths.note, len(line) + GAP)) + note
            lines.append(self.valued(line, value, widths))
        return lines

    def left(self, row: Row) -> str:
        """The left-hand side; empty where the row continues the one above."""
        first = row.cells[0] if row.cells else None
        return "" if first is None else self.inline(first)

    def right(self, row: Row) -> str:
        """The right-hand sides."""
        return " = ".join(self.inline(cell) for cell in row.cells[1:] if cell is not None)

    def path_lines(self, block: Paths) -> list[str]:
        """For each path its factors, worked and multiplied, in columns."""
        printed = [[self.inline(cell) for cell in row.cells if cell is not None] for _, row in block.items]
        columns = max(len(cells) for cells in printed)
        # a path of one factor has no product to work out: its cells are the first and the last
        padded = [[*cells[:-1], *[""] * (columns - len(cells)), cells[-1]] for cells in printed]
        widths = [max(len(cells[i]) for cells in padded) for i in range(columns)]
        lines = []
        for cells in padded:
            line = f"     {cells[0].ljust(widths[0])}"
            for cell, width in zip(cells[1:], widths[1:], strict=True):
                line += f" {'=' if cell else ' '} {cell.ljust(width)}"
            lines.append(line.rstrip())
        return lines

    def paths(self, block: Paths, widths: _Widths) -> list[str]:
        """Each path and its factors."""
        values = self.values([row for _, row in block.items])
        lines = []
        for number, ((nodes, _), line, value) in enumerate(
            zip(block.items, self.path_lines(block), values, strict=True), 1
        ):
            lines.append(f"  {number}  {self.chain(nodes)}")
            lines.append(self.valued(line, value, widths))
        return lines

    def values(self, rows: Sequence[Row]) -> list[str]:
        """The values after their signs of equality, or blanks for them."""
        numbers = aligned([None if isinstance(row.value, Blank) else row.value for row in rows])
        blanks = [blank_text(row.value) if isinstance(row.value, Blank) else "" for row in rows]
        return [f"= {blank}" if blank else number for blank, number in zip(blanks, numbers, strict=True)]

    def valued(self, line: str, value: str, widths: _Widths) -> str:
        """The line with its value, if it has one, in the section's column."""
        return self.spelled(f"{line.ljust(widths.value)}   {value}") if value else line

    def table(self, block: Table) -> list[str]:
        """Columns: the first to the left, numbers to the right, the last as it is."""
        rows = [[self.piece(cell) for cell in row] for row in (block.header, *block.rows)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(block.header))]
        lines = []
        for row in rows:
            cells = [
                cell.ljust(w) if i in (0, len(row) - 1) else cell.rjust(w)
                for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            ]
            lines.append(self.spelled("   ".join(cells)))
        return lines

    def spelled(self, line: str) -> str:
        """The line with the format's own signs before numbers."""
        return line


def _sections(document: Document) -> list[list[Block]]:
    """The blocks between empty lines, each with the empty line before it."""
    sections: list[list[Block]] = [[]]
    for block in document:
        if isinstance(block, Gap):
            sections.append([])
        sections[-1].append(block)
    return sections


class _Widths:
    """Where the columns for notes and values stand in one section."""

    def __init__(self) -> None:
        self.note = 0
        self.value = 0

    def measure(self, renderer: LineRenderer, block: Block) -> None:
        """Widen the columns for a block."""
        if isinstance(block, Paths):
            lengths = (len(line) for line in renderer.path_lines(block))
            self.value = max(self.value, *(length if length <= WIDEST else 0 for length in lengths))
        if not isinstance(block, Equations):
            return
        rows = [row for row in block.rows if row.cells]
        left = max((len(renderer.left(row)) for row in rows), default=0) + (2 if block.local else 0)
        notes = [len(renderer.note(row)) for row in rows]
        for row, note in zip(rows, notes, strict=True):
            length = left + 3 + len(renderer.right(row))
            if note and length <= WIDEST:
                self.note = max(self.note, length + GAP)
        for row, note in zip(rows, notes, strict=True):
            if row.value is not None:
                length = self.note + note + 3 if note else left + 3 + len(renderer.right(row))
                self.value = max(self.value, length if length <= WIDEST else 0)


class TextRenderer(LineRenderer):
    """ASCII: every right-hand side reads back; a derivative is the identifier `dl_dw`, or `pl_pw` for a local one."""

    arrow, dot, entrywise, partial_sign = "->", "*", "*", "d"
    legend = "d.. is a total derivative, p.. a local partial: all other parents of that node are held fixed."
    legend_always = True

    def __init__(self, names: Mapping[str, str] | None = None, known: Collection[str] = ()) -> None:
        del names, known  # another name would not read back
        self.formula = self.definition = self.matrices = TextPrinter()

    def quantity(self, quantity: Quantity) -> str:
        return self.adjoint(quantity, tuple(map(sympy.Integer, quantity.entry)))

    def adjoint(self, quantity: Quantity, index: Sequence[Index]) -> str:
        return quantity.identifier + (f"[{self.formula.subscripts(index)}]" if index else "")

    def name_derivatives(self, block: Adjoints | Key) -> FormulaPrinter:
        del block
        return self.formula

    def alias(self, identifier: str, block: Adjoints | Key) -> str:
        del identifier, block
        return ""


class UnicodeRenderer(LineRenderer):
    """For a terminal: ∂l/∂w, ·, superscripts."""

    arrow, dot, entrywise, partial_sign = "→", "·", "⊙", "∂"
    legend = "d is a total derivative, ∂ a local one: all other parents of that node are held fixed."
    legend_always = False

    formula: UnicodePrinter

    def __init__(self, names: Mapping[str, str] | None = None, known: Collection[str] = ()) -> None:
        spelled = {name: plain_name(given) for name, given in (names or {}).items()}
        self.formula = UnicodePrinter(spelled, known=known)
        self.definition = UnicodePrinter(spelled, dotted=True, known=known)
        self.matrices = TextPrinter(spelled)

    def quantity(self, quantity: Quantity) -> str:
        return self.formula.derivative(quantity, tuple(map(sympy.Integer, quantity.entry)))

    def adjoint(self, quantity: Quantity, index: Sequence[Index]) -> str:
        return self.formula.derivative(quantity, index)

    def name_derivatives(self, block: Adjoints | Key) -> FormulaPrinter:
        aliases = {name: self.alias(name, block) for name in block.aliases}
        return self.formula.with_derivatives(block.quantities, aliases)

    def alias(self, identifier: str, block: Adjoints | Key) -> str:
        alias = block.aliases.get(identifier)
        return "" if alias is None else f"{alias.letter}{alias.number or ''}"

    def spelled(self, line: str) -> str:
        return re.sub(r"  ~ ", "  ≈ ", re.sub(r"(?<![\w)])-(?=[\d.]|inf)", "−", line))
