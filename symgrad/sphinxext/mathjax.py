"""HTML with LaTeX mathematics, for projects whose pages set it with MathJax, KaTeX or pictures.

A piece is a kind and a text: `html` as it is, `inline` and `display` for whatever sets the project's mathematics.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias, assert_never

from symgrad.renderers.document import (
    Adjoints,
    Block,
    Chain,
    Convention,
    Document,
    Equations,
    Gap,
    Given,
    Heading,
    Key,
    Legend,
    Paths,
    Quantity,
    Remark,
    Table,
    Tensors,
)
from symgrad.renderers.latex import KEY, LEGEND, LatexRenderer
from symgrad.renderers.mathml_pieces import escaped

Piece: TypeAlias = tuple[str, str]


class MathjaxRenderer(LatexRenderer):
    """Prints a document in pieces."""

    def pieces(self, document: Document) -> list[Piece]:
        """The document; equations that follow each other share their alignment."""
        made: list[Piece] = []
        rows: list[str] = []
        for block in document:
            if isinstance(block, (Equations, Paths)):
                rows += self.rows(block) or []
            else:
                made += [*self.displayed(rows), *self.told(block)]
                rows = []
        return [*made, *self.displayed(rows)]

    def displayed(self, rows: Sequence[str]) -> list[Piece]:
        """Rows as one display, which scrolls in its own box where it is wider than the page."""
        return _scrolling("\n".join(self.align(rows))) if rows else []

    def told(self, block: Block) -> list[Piece]:
        """A block other than equations."""
        match block:
            case Given():
                return [*heading("Given"), *self.displayed(self.rows(block) or [])]
            case Adjoints():
                return [*heading("Backward" * block.heading), *self.displayed(self.rows(block) or [])]
            case Key():
                return [*heading(KEY), *self.displayed(self.key_rows(block))]
            case Heading():
                return heading(block.text)
            case Chain():
                return paragraph([("html", "Path "), ("inline", self.chain(block.nodes))], "scroll")
            case Remark():
                return paragraph([self.part(part) for part in block.parts])
            case Legend():
                return paragraph(mixed(LEGEND), "legend") if block.needed else []
            case Convention():
                return paragraph([("html", f"{escaped(block.name)}: {escaped(block.text)}.")], "legend")
            case Table():
                return self.numbers(block)
            case Tensors():
                *equations, leaves, _ = self.definitions(block)
                return [*heading("Given"), *_scrolling("\n".join(equations)), *paragraph(mixed(leaves))]
            case Gap() | Equations() | Paths():
                return []
            case _:
                assert_never(block)

    def part(self, part: object) -> Piece:
        """A part of a sentence, or a cell: words, or mathematics."""
        if isinstance(part, str):
            return ("html", escaped(part))
        return mixed(self.piece(part))[0]  # type: ignore[arg-type]  # a name or a quantity

    def numbers(self, block: Table) -> list[Piece]:
        """A table; what stands in the first column names the row."""
        last = len(block.header) - 1
        pieces: list[Piece] = [("html", '<div class="scroll"><table class="numbers">')]
        for number, row in enumerate((block.header, *block.rows)):
            opening, closing = ("<thead><tr>", "</tr></thead>\n<tbody>") if not number else ("<tr>", "</tr>\n")
            pieces.append(("html", opening))
            for column, cell in enumerate(row):
                kind = ' class="number"' if 0 < column < last else ""
                scope = "col" if not number else "row"
                tag = f'th scope="{scope}"' if not number or not column else "td"
                shown = ("inline", self.slanted(cell)) if isinstance(cell, Quantity) else ("html", escaped(cell))
                pieces += [("html", f"<{tag}{kind}>"), shown, ("html", f"</{tag[:2]}>")]
            pieces.append(("html", closing))
        return [*pieces, ("html", "</tbody></table></div>\n")]

    def slanted(self, quantity: Quantity) -> str:
        """A derivative on one line, as LaTeX tables have it."""
        line = self.table(Table((quantity, ""), ()))[1]
        return line.partition("$")[2].partition("$")[0]


def heading(text: str) -> list[Piece]:
    """What stands above a part; nothing where there is no text."""
    return [("html", f'<p class="heading">{escaped(text)}</p>\n')] if text else []


def _scrolling(display: str) -> list[Piece]:
    return [("html", '<div class="scroll">'), ("display", display), ("html", "</div>\n")] if display else []


def paragraph(pieces: Sequence[Piece], kind: str = "") -> list[Piece]:
    """A paragraph."""
    opening = f'<p class="{kind}">' if kind else "<p>"
    return [("html", opening), *pieces, ("html", "</p>\n")]


def mixed(latex: str) -> list[Piece]:
    r"""A sentence of LaTeX with `$…$` in it."""
    pieces: list[Piece] = []
    for number, part in enumerate(latex.split("$")):
        if part:
            pieces.append(("inline", part) if number % 2 else ("html", escaped(re.sub(r"\\([_%&#])", r"\1", part))))
    return pieces
