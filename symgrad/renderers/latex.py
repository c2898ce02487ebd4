"""LaTeX: `align*` blocks and sentences, for a paper or a notebook."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, assert_never

import sympy

from symgrad.renderers.blanks import blank_latex, numbered
from symgrad.renderers.document import (
    AdjointRow,
    Adjoints,
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
    Product,
    Quantity,
    Reason,
    Remark,
    Row,
    Shape,
    Slope,
    Sum,
    Table,
    Tensors,
)
from symgrad.renderers.latex_formula import LatexPrinter, distinct_names, latex_name
from symgrad.renderers.latex_words import words
from symgrad.renderers.strength import NEGATIVE, PRODUCT
from symgrad.renderers.values import Number, all_exact, short

LEGEND = r"$\mathrm{d}$ is a total derivative, $\partial$ a local one: all other parents of that node are held fixed."


KEY = "Key"

SCALAR = r"\in \mathbf{R}"

_SPECIAL = str.maketrans(
    {character: rf"\{character}" for character in "_%&#$"} | {"^": r"\^{}", "~": r"\~{}", "…": r"\ldots{}"}
)


def plain_text(text: str) -> str:
    r"""Words for `\text`, which other readers of LaTeX know too; its special characters are escaped."""
    return text.translate(_SPECIAL)


def signed(text: str) -> str:
    """Words whose negative numbers have a minus, not a hyphen."""
    return re.sub(r"(?<![\w)])-(?=[\d.]|inf)", "−", text)


class LatexRenderer:
    """Prints a document in LaTeX; it needs amsmath."""

    together: ClassVar[tuple[str, ...]] = (r"\nopagebreak",)
    """What keeps a table on the page of the sentence below it."""

    value_below: ClassVar[bool] = True
    """Whether a list of numbers stands below its formula: a page has an end where a screen scrolls."""

    def __init__(self, names: Mapping[str, str] | None = None, known: Collection[str] = ()) -> None:
        self.formula = LatexPrinter({**distinct_names(known), **(names or {})})

    def render(self, document: Document) -> str:
        """The whole document, without a newline at its end; equations that follow each other share their alignment."""
        lines: list[str] = []
        rows: list[str] = []
        for block, after in zip(document, (*document[1:], None), strict=True):
            aligned = self.rows(block)
            if aligned is not None:
                rows += aligned
                continue
            lines += [*self.align(rows), *self.block(block)]
            rows = []
            if isinstance(block, Table) and isinstance(after, Remark):
                lines += self.together
        return "\n".join([*lines, *self.align(rows)])

    def rows(self, block: Block) -> list[str] | None:
        """The rows of a block of equations; None for any other block."""
        match block:
            case Equations():
                return [self.row(row) for row in block.rows]
            case Paths():
                return [text for nodes, row in block.items for text in (f"& {self.chain(nodes)}:", self.path_row(row))]
            case Given():
                return [f"{self.formula.name(name)} &= {self.formula.print(body)}" for name, body in block.rows]
            case Adjoints():
                formula = self.name_derivatives(block)
                return [self.adjoint_row(row, block, formula) for row in block.rows]
            case _:
                return None

    def block(self, block: Block) -> list[str]:
        """The lines of a block that is not made of equations."""
        match block:
            case Chain():
                return [rf"\[ {self.chain(block.nodes)} \]"]
            case Remark():
                return ["".join(self.piece(part) for part in block.parts), ""]
            case Legend():
                return [LEGEND, ""] if block.needed else []
            case Heading():
                return [words(block.text), ""]
            case Table():
                return self.table(block)
            case Tensors():
                return self.definitions(block)
            case Convention():
                return [words(f"{block.name}: {block.text}."), ""]
            case Key():
                return [rf"\textbf{{{KEY}}}", "", *self.align(self.key_rows(block))]
            case Gap() | Equations() | Paths() | Given() | Adjoints():
                return []
            case _:
                assert_never(block)

    def definitions(self, block: Tensors) -> list[str]:
        """The definitions with their shapes, and a sentence with those of the leaves."""
        rows = []
        for name, index, body, shape in block.rows:
            left = self.formula.subscripted(self.formula.name(name), index)
            rows.append(f"{left} &= {self.formula.print(body)}" + (f" && {space(shape)}" if shape else ""))
        listed = (*block.inputs, *block.parameters)
        leaves = [f"${self.formula.name(name)} {space(shape) or SCALAR}$" for name, shape in listed]
        return [*self.align(rows), "Here " + ", ".join(leaves) + ".", ""]

    def name_derivatives(self, block: Adjoints | Key) -> LatexPrinter:
        """Formulas that name the derivatives of a block."""
        return self.formula.with_derivatives(
            block.quantities, {name: self.alias(name, block) for name in block.aliases}
        )

    @staticmethod
    def alias(identifier: str, block: Adjoints | Key) -> str:
        """The letter of a derivative; empty where it has none."""
        alias = block.aliases.get(identifier)
        if alias is None:
            return ""
        return latex_name(alias.letter) + ("" if alias.number is None else f"_{{{alias.number}}}")

    def adjoint_row(self, row: AdjointRow, block: Adjoints, formula: LatexPrinter) -> str:
        """A derivative, its formula, its value, its shape and the reason."""
        alias = self.alias(row.quantity.identifier, block)
        left = (rf"{alias} := " if alias else "") + self.formula.derivative(row.quantity, row.index)
        right = self.blank(row.formula) if isinstance(row.formula, Blank) else formula.print(row.formula)
        value = "" if row.value is None else self.equals(row.value)
        below = ""
        if self.value_below and isinstance(row.value, list):
            value, below = "", rf" \\ & \rlap{{${self.equals(row.value)}$}}"
        reason = f" && {self.reason(row.reason, formula)}" if row.reason else ""
        shape = f" && {space(row.shape)}" if row.shape or reason else ""
        return f"{left} &= {right}{value}{shape}{reason}{below}"

    @staticmethod
    def reason(reason: Reason, formula: LatexPrinter) -> str:
        """Why, in words and formulas."""
        text = ""
        for part in reason:
            match part:
                case str():
                    text += rf"\text{{{plain_text(part)}}}"
                case Name():
                    text += formula.name(part.name)
                case Formula():
                    text += formula.print(part.expression)
                case Entrywise():
                    text += r"\odot"
                case Slope():
                    of, by = formula.print(part.of), formula.print(part.by)
                    text += rf"\frac{{\partial {of}}}{{\partial {by}}} = {formula.print(part.value)}"
        return text

    def key_rows(self, block: Key) -> list[str]:
        """One row a formula: its number, the formula, the value with the number of that, and what gives it away."""
        printer = self.name_derivatives(block)
        rows = []
        for solution in block.solutions:
            told = [self.formula.condition(case) for case in solution.cases]
            told += [self.reason(solution.because, printer)] if solution.because else []
            because = r" \qquad " + ", ".join(told) if told else ""
            row = rf"\text{{{numbered(solution.blank)}}} &\quad {self.solution(solution.formula, printer)}"
            if solution.value is None:
                rows.append(row + because)
                continue
            blank, value = solution.value
            if isinstance(value, list):
                rows += [row + because, rf"\text{{{numbered(blank)}}} &\quad{self.equals(value)}"]
            else:
                rows.append(rf"{row} && \text{{{numbered(blank)}}}{self.equals(value)}{because}")
        return rows

    def solution(self, formula: Inline, printer: LatexPrinter) -> str:
        """What belongs into a blank."""
        if isinstance(formula, (Quantity, Product, Sum, Blank)):
            return self.inline(formula)
        return printer.print(formula)

    @staticmethod
    def align(rows: Sequence[str]) -> list[str]:
        """Rows in one `align*`."""
        return [r"\begin{align*}", " \\\\\n".join(f"  {row}" for row in rows), r"\end{align*}"] if rows else []

    def chain(self, nodes: Sequence[str]) -> str:
        """`w → y_pred → l`."""
        return r" \to ".join(self.formula.name(node) for node in nodes)

    def piece(self, part: str | Name | Quantity) -> str:
        """A part of a sentence."""
        match part:
            case Name():
                return f"${self.formula.name(part.name)}$"
            case Quantity():
                return f"${self.quantity(part)}$"
            case _:
                return words(signed(part))

    def quantity(self, quantity: Quantity) -> str:
        """A derivative as a fraction."""
        d = r"\mathrm{d}" if quantity.total else r"\partial "
        return rf"\frac{{{d}{self.formula.name(quantity.of)}}}{{{d}{self.formula.name(quantity.by)}}}"

    def inline(self, inline: Inline, least: int = 0) -> str:
        """Mathematics."""
        match inline:
            case Quantity():
                return self.quantity(inline)
            case Product():
                return r" \cdot ".join(self.inline(f, PRODUCT if i else NEGATIVE) for i, f in enumerate(inline.factors))
            case Sum():
                text = self.inline(inline.terms[0], NEGATIVE)
                for term in inline.terms[1:]:
                    printed = self.inline(term, NEGATIVE)
                    text += f" - {printed[1:]}" if printed.startswith("-") else f" + {printed}"
                return text
            case Blank():
                return self.blank(inline)
            case _:
                return self.formula.print(inline, least)

    def row(self, row: Row) -> str:
        """One line of an `align*`: what is equal, its value, and the rule in words."""
        if not row.cells:
            return rf"&\quad\text{{({plain_text(row.note)})}}"
        first, *others = row.cells
        sides = [self.inline(cell) for cell in others if cell is not None]
        left = "" if first is None else self.inline(first)
        cases = ", ".join(self.formula.condition(condition) for condition in row.cases)
        note = (rf"\text{{{plain_text(row.note)}}}" if row.note else "") + (rf"\colon {cases}" if cases else "")
        return f"{left} &= {_joined(row, sides)}{self.value(row)}" + (rf" \qquad {note}" if note else "")

    def path_row(self, row: Row) -> str:
        """The factors of one path, set in under its nodes."""
        sides = [self.inline(cell) for cell in row.cells if cell is not None]
        return r"&\quad " + _joined(row, sides) + self.value(row)

    @staticmethod
    def blank(blank: Blank) -> str:
        """A space to write in."""
        return blank_latex(blank)

    def equals(self, value: Number | Blank) -> str:
        """Equal to a number, approximately where it had to be cut, or to what belongs into a blank."""
        if isinstance(value, Blank):
            return f" = {self.blank(value)}"
        sign = "=" if all_exact(value) else r"\approx"
        return f" {sign} {_latex_value(value)}"

    def value(self, row: Row) -> str:
        """The number at the point, if there is one and the row does not end in a number anyway."""
        if row.value is None or isinstance(row.cells[-1], sympy.Number):
            return ""
        return self.equals(row.value)

    def table(self, block: Table) -> list[str]:
        """A `tabular`; derivatives are set on one line."""

        def cell(part: Quantity | str) -> str:
            if not isinstance(part, Quantity):
                return words(signed(part))
            d = r"\mathrm{d}" if part.total else r"\partial "
            entry = tuple(map(sympy.Integer, part.entry))
            of = self.formula.subscripted(self.formula.name(part.of), entry[: part.rank])
            by = self.formula.subscripted(self.formula.name(part.by), entry[part.rank :])
            return f"${d}{of}/{d}{by}$"

        every = [[cell(part) for part in row] for row in (block.header, *block.rows)]
        if len(block.header) == 2:  # what is told of a name may be long
            rows = [rf"{name} & \raggedright {told} \tabularnewline" for name, told in every]
            return [r"\begin{tabular}{lp{0.8\linewidth}}", *rows, r"\end{tabular}", ""]
        rows = [" & ".join(row) + r" \\" for row in every]
        return [rf"\begin{{tabular}}{{l{'r' * (len(block.header) - 2)}l}}", *rows, r"\end{tabular}", ""]


def space(shape: Shape) -> str:
    r"""The space a tensor lives in, `\in \mathbf{R}^{h \times d}`; nothing for a scalar."""
    sizes = r" \times ".join(str(size) if isinstance(size, int) else latex_name(size) for size in shape)
    return rf"\in \mathbf{{R}}^{{{sizes}}}" if shape else ""


def _joined(row: Row, sides: Sequence[str]) -> str:
    """Sides that are equal; several blanks stand one below the other."""
    return (" \\\\\n  &= " if isinstance(row.cells[-1], Blank) else " = ").join(sides)


def _latex_value(value: Number) -> str:
    if isinstance(value, list):
        return rf"\left[{', '.join(map(_latex_value, value))}\right]"
    return _latex_number(value)


def _latex_number(value: float) -> str:
    text = short(value)
    if text in ("inf", "-inf"):
        return text.replace("inf", r"\infty")
    if text == "nan":
        return r"\mathrm{nan}"
    mantissa, _, exponent = text.partition("e")
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if exponent else text
