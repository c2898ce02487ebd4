"""LaTeX: `align*` blocks and sentences, for a paper or a notebook."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import assert_never

import sympy

from symgrad.renderers.document import (
    AdjointRow,
    Adjoints,
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
    Legend,
    Name,
    Number,
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
from symgrad.renderers.strength import NEGATIVE, PRODUCT
from symgrad.renderers.values import is_exact, short

LEGEND = r"$\mathrm{d}$ is a total derivative, $\partial$ a local one: all other parents of that node are held fixed."


SCALAR = r"\in \mathbf{R}"

_SPECIAL = str.maketrans({character: rf"\{character}" for character in "_%&#$"} | {"^": r"\^{}", "~": r"\~{}"})


def plain_text(text: str) -> str:
    """Words for LaTeX's text mode, its special characters escaped."""
    return text.translate(_SPECIAL)


class LatexRenderer:
    """Prints a document in LaTeX; it needs amsmath."""

    def __init__(self, names: Mapping[str, str] | None = None, known: Collection[str] = ()) -> None:
        self.formula = LatexPrinter({**distinct_names(known), **(names or {})})

    def render(self, document: Document) -> str:
        """The whole document, without a newline at its end; equations that follow each other share their alignment."""
        lines: list[str] = []
        rows: list[str] = []
        for block in document:
            aligned = self.rows(block)
            if aligned is not None:
                rows += aligned
                continue
            lines += [*self.align(rows), *self.block(block)]
            rows = []
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
                return [plain_text(block.text), ""]
            case Table():
                return self.table(block)
            case Tensors():
                return self.definitions(block)
            case Convention():
                return [plain_text(f"{block.name}: {block.text}."), ""]
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

    def name_derivatives(self, block: Adjoints) -> LatexPrinter:
        """Formulas that name the derivatives of a block."""
        return self.formula.with_derivatives(
            block.quantities, {name: self.alias(name, block) for name in block.aliases}
        )

    @staticmethod
    def alias(identifier: str, block: Adjoints) -> str:
        """The letter of a derivative; empty where it has none."""
        alias = block.aliases.get(identifier)
        if alias is None:
            return ""
        return latex_name(alias.letter) + ("" if alias.number is None else f"_{{{alias.number}}}")

    def adjoint_row(self, row: AdjointRow, block: Adjoints, formula: LatexPrinter) -> str:
        """A derivative, its formula, its value, its shape and the reason."""
        alias = self.alias(row.quantity.identifier, block)
        left = (rf"{alias} := " if alias else "") + self.formula.derivative(row.quantity, row.index)
        value = "" if row.value is None else f" = {_latex_value(row.value)}"
        reason = f" && {self.reason(row.reason, formula)}" if row.reason else ""
        shape = f" && {space(row.shape)}" if row.shape or reason else ""
        return f"{left} &= {formula.print(row.formula)}{value}{shape}{reason}"

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
                return plain_text(part)

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
        return f"{left} &= {' = '.join(sides)}{self.value(row)}" + (rf" \qquad {note}" if note else "")

    def path_row(self, row: Row) -> str:
        """The factors of one path, set in under its nodes."""
        return r"&\quad " + " = ".join(self.inline(cell) for cell in row.cells if cell is not None) + self.value(row)

    @staticmethod
    def value(row: Row) -> str:
        """The number at the point, if there is one and the row does not end in a number anyway."""
        if row.value is None or isinstance(row.cells[-1], sympy.Number):
            return ""
        sign = "=" if is_exact(row.value) else r"\approx"
        return f" {sign} {_latex_number(row.value)}"

    def table(self, block: Table) -> list[str]:
        """A `tabular`; derivatives are set on one line."""

        def cell(part: Quantity | str) -> str:
            if not isinstance(part, Quantity):
                return plain_text(part)
            d = r"\mathrm{d}" if part.total else r"\partial "
            entry = tuple(map(sympy.Integer, part.entry))
            of = self.formula.subscripted(self.formula.name(part.of), entry[: part.rank])
            by = self.formula.subscripted(self.formula.name(part.by), entry[part.rank :])
            return f"${d}{of}/{d}{by}$"

        rows = [" & ".join(map(cell, row)) + r" \\" for row in (block.header, *block.rows)]
        return [rf"\begin{{tabular}}{{l{'r' * (len(block.header) - 2)}l}}", *rows, r"\end{tabular}", ""]


def space(shape: Shape) -> str:
    r"""The space a tensor lives in, `\in \mathbf{R}^{h \times d}`; nothing for a scalar."""
    sizes = r" \times ".join(str(size) if isinstance(size, int) else latex_name(size) for size in shape)
    return rf"\in \mathbf{{R}}^{{{sizes}}}" if shape else ""


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
