"""LaTeX: `align*` blocks and sentences, for a paper or a notebook."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import assert_never

from symgrad.renderers.document import (
    Block,
    Chain,
    Document,
    Equations,
    Gap,
    Given,
    Heading,
    Inline,
    Legend,
    Name,
    Paths,
    Product,
    Quantity,
    Remark,
    Row,
    Sum,
    Table,
)
from symgrad.renderers.formula import NEGATIVE, PRODUCT
from symgrad.renderers.latex_formula import LatexPrinter, distinct_names
from symgrad.renderers.values import is_exact, short

LEGEND = r"$\mathrm{d}$ is a total derivative, $\partial$ a local one: all other parents of that node are held fixed."


_SPECIAL = str.maketrans({character: rf"\{character}" for character in "_%&#$"} | {"^": r"\^{}", "~": r"\~{}"})


def plain_text(text: str) -> str:
    """Words for LaTeX's text mode, its special characters escaped."""
    return text.translate(_SPECIAL)


class LatexRenderer:
    """Prints a document in LaTeX; it needs amsmath."""

    def __init__(self, names: Mapping[str, str] | None = None, known: Collection[str] = ()) -> None:
        self.formula = LatexPrinter({**distinct_names(known), **(names or {})})

    def render(self, document: Document) -> str:
        """The whole document, without a newline at its end."""
        return "\n".join(line for block in document for line in self.block(block))

    def block(self, block: Block) -> list[str]:
        """The lines of one block."""
        match block:
            case Given():
                return self.align(
                    [f"{self.formula.name(name)} &= {self.formula.print(body)}" for name, body in block.rows]
                )
            case Chain():
                return [rf"\[ {self.chain(block.nodes)} \]"]
            case Paths():
                return self.align(
                    [
                        line
                        for nodes, row in block.items
                        for line in (f"& {self.chain(nodes)}:", self.row(row, "&\\quad "))
                    ]
                )
            case Equations():
                return self.align([self.row(row) for row in block.rows])
            case Remark():
                return ["".join(self.piece(part) for part in block.parts), ""]
            case Legend():
                return [LEGEND, ""] if block.needed else []
            case Heading():
                return [plain_text(block.text), ""]
            case Table():
                return self.table(block)
            case Gap():
                return []
            case _:
                assert_never(block)

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

    def row(self, row: Row, opening: str = "") -> str:
        """One line of an `align*`."""
        if not row.cells:
            return rf"&\quad\text{{({plain_text(row.note)})}}"
        first, *others = row.cells
        text = opening or ("" if first is None else self.inline(first))
        if opening and first is not None:
            text += self.inline(first)
        for position, cell in enumerate(others):
            if cell is not None:
                text += (" = " if position or opening else " &= ") + self.inline(cell)
        if row.value is not None:
            sign = "=" if is_exact(row.value) else r"\approx"
            text += f" {sign} {_latex_number(row.value)}"
        cases = ", ".join(self.formula.condition(condition) for condition in row.cases)
        note = (rf"\text{{{plain_text(row.note)}}}" if row.note else "") + (rf"\colon {cases}" if cases else "")
        return text + (rf" && {note}" if note else "")

    def table(self, block: Table) -> list[str]:
        """A `tabular`."""
        rows = [" & ".join(self.piece(cell) for cell in row) + r" \\" for row in (block.header, *block.rows)]
        return [rf"\begin{{tabular}}{{l{'r' * (len(block.header) - 2)}l}}", *rows, r"\end{tabular}"]


def _latex_number(value: float) -> str:
    text = short(value)
    if text in ("inf", "-inf"):
        return text.replace("inf", r"\infty")
    if text == "nan":
        return r"\mathrm{nan}"
    mantissa, _, exponent = text.partition("e")
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if exponent else text
