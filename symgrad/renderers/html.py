"""HTML with MathML: tables of equations, a section a step; a page by itself, or a fragment of one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import assert_never

import sympy

from symgrad.renderers import page
from symgrad.renderers.blanks import blank_html, equals_blank_html, numbered
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
from symgrad.renderers.html_key import HtmlKey
from symgrad.renderers.mathml import MathmlPrinter
from symgrad.renderers.mathml_pieces import DOT, EQUALS, MINUS, PLUS, PREFIX_MINUS, distinct_names, escaped, given_name
from symgrad.renderers.plain_names import plain_name
from symgrad.renderers.strength import NEGATIVE, PRODUCT
from symgrad.renderers.text import UnicodeRenderer
from symgrad.renderers.values import valued

ARROW = "<mo>→</mo>"


class HtmlRenderer(HtmlKey):
    """Prints a document in HTML.

    Args:
        names: how to print a name, in LaTeX.
        known: the names of all nodes, so that no two look alike.
        title: of the page.
        fold: whether each step can be folded away.
    """

    def __init__(
        self,
        names: Mapping[str, str] | None = None,
        known: Collection[str] = (),
        title: str = "symgrad",
        fold: bool = False,
    ) -> None:
        given = {name: given_name(plain_name(latex)) for name, latex in (names or {}).items()}
        self.formula = MathmlPrinter({**distinct_names(known), **given})
        self.unicode = UnicodeRenderer(names, known)
        self.title = title
        self.fold = fold

    def render(self, document: Document) -> str:
        """The document as a whole page, without a newline at its end."""
        return page.page(self.title, self.content(document))

    def fragment(self, document: Document) -> str:
        """The document for a page of someone else's."""
        return page.fragment(self.content(document))

    def content(self, document: Document) -> str:
        """The document's sections, without what surrounds them."""
        return "\n".join(self.section(blocks) for blocks in sections(document))

    def section(self, blocks: Sequence[Block]) -> str:
        """The blocks between two gaps; equations that follow each other share their columns."""
        summary = self.summary(blocks) if self.fold else ""
        made: list[str] = []
        equations: list[Equations | Paths] = []
        for block in blocks:
            if summary and isinstance(block, Heading):
                continue  # the summary says it
            if isinstance(block, (Equations, Paths)):
                equations.append(block)
                continue
            made += [*self.table_of(equations), *self.block(block)]
            equations = []
        inside = "\n".join([*made, *self.table_of(equations)])
        if summary:
            return f'<details open="open">\n<summary>{summary}</summary>\n{inside}\n</details>'
        return f"<section>\n{inside}\n</section>"

    def block(self, block: Block) -> list[str]:
        """A block that is not made of equations."""
        match block:
            case Given():
                rows = [
                    self.definition(name, self.formula.print(body), self.unicode.definition.print(body))
                    for name, body in block.rows
                ]
                return ["<h2>Given</h2>", scrolling("equations", f"<tbody>{''.join(rows)}</tbody>")]
            case Chain():
                return [f'<p class="scroll">Path {self.chain(block.nodes)}</p>']
            case Remark():
                return [f"<p>{''.join(self.piece(part) for part in block.parts)}</p>"]
            case Legend():
                return [f'<p class="legend">{escaped(self.unicode.legend)}</p>'] if block.needed else []
            case Heading():
                return [f"<h3>{escaped(block.text)}</h3>"]
            case Table():
                return [self.table(block)]
            case Tensors():
                return self.definitions(block)
            case Convention():
                return [f'<p class="legend">{escaped(block.name)}: {escaped(block.text)}.</p>']
            case Adjoints():
                return self.adjoints(block)
            case Key():
                return self.key(block)
            case Gap() | Equations() | Paths():
                return []
            case _:
                assert_never(block)

    # mathematics

    @staticmethod
    def math(content: str, alternative: str, display: bool = True) -> str:
        """A formula, and how it reads where it cannot be set."""
        style = ' displaystyle="true"' if display else ""
        return f'<math{style} alttext="{escaped(alternative)}">{content}</math>'

    def quantity(self, quantity: Quantity, display: bool = True) -> str:
        """A derivative, or one entry of it."""
        made = self.formula.derivative(quantity, tuple(map(sympy.Integer, quantity.entry)))
        return self.math(made, self.unicode.quantity(quantity), display)

    def chain(self, nodes: Sequence[str]) -> str:
        """`w → y_pred → l`."""
        return self.math(ARROW.join(map(self.formula.name, nodes)), self.unicode.chain(nodes), display=False)

    def piece(self, part: str | Name | Quantity) -> str:
        """A part of a sentence."""
        match part:
            case Name():
                return self.named(part.name)
            case Quantity():
                return self.quantity(part, display=False)
            case _:
                return escaped(self.unicode.spelled(part))

    def named(self, name: str) -> str:
        """A node's name within words."""
        return self.math(self.formula.name(name), self.unicode.formula.name(name), display=False)

    def inline(self, inline: Inline, least: int = 0) -> str:
        """Mathematics within a formula."""
        match inline:
            case Quantity():
                return self.formula.derivative(inline)
            case Product():
                return DOT.join(self.inline(f, PRODUCT if i else NEGATIVE) for i, f in enumerate(inline.factors))
            case Sum():
                text = self.inline(inline.terms[0], NEGATIVE)
                for term in inline.terms[1:]:
                    printed = self.inline(term, NEGATIVE)
                    text += MINUS + printed[len(PREFIX_MINUS) :] if printed.startswith(PREFIX_MINUS) else PLUS + printed
                return text
            case Blank():
                return f"<mtext>{numbered(inline)}</mtext>"
            case _:
                return self.formula.print(inline, least)

    def equal(self, cell: Inline, first: bool = False) -> str:
        """`= cell`; the `first` one has no sign before it."""
        if isinstance(cell, Blank):
            return blank_html(cell) if first else equals_blank_html(cell)
        content, alternative = self.inline(cell), self.unicode.inline(cell)
        return self.math(content, alternative) if first else self.math(EQUALS + content, f"= {alternative}")

    # equations

    def definition(self, name: str, body: str, alternative: str, columns: str = "") -> str:
        """One definition as a row."""
        left = self.math(self.formula.name(name), self.unicode.formula.name(name))
        right = self.math(EQUALS + body, f"= {alternative}")
        return f'\n<tr data-line="{escaped(name)}"><th scope="row">{left}</th><td>{right}</td>{columns}</tr>'

    def table_of(self, blocks: Sequence[Equations | Paths]) -> list[str]:
        """Equations in columns: left side, right side, rule, value."""
        if not blocks:
            return []
        every = [row for block in blocks for row in _rows_of(block)]
        columns = (any(row.note for row in every), any(row.value is not None for row in every))
        bodies = [self.equations(block, columns) for block in blocks]
        return [scrolling("equations", "".join(bodies))]

    def equations(self, block: Equations | Paths, columns: tuple[bool, bool]) -> str:
        """A block's rows as one body of a table."""
        rows = ""
        if isinstance(block, Paths):
            for nodes, row in block.items:
                path = f'<th scope="rowgroup" colspan="{2 + sum(columns)}">{self.chain(nodes)}</th>'
                rows += f'\n<tr class="path">{path}</tr>'
                rows += f"\n<tr><td></td>{self.right(row.cells, columns, row, opens=True)}</tr>"
            return f"<tbody>{rows}</tbody>"
        line = ""
        for row in block.rows:
            if not row.cells:
                rows += f'\n<tr><td></td><td class="note" colspan="{1 + sum(columns)}">{escaped(row.note)}</td></tr>'
                continue
            left, *others = row.cells
            if isinstance(left, Quantity):
                line = f' data-line="{escaped(left.by)}"'
            first = (
                f'<th scope="row">{self.math(self.inline(left), self.unicode.inline(left))}</th>'
                if left
                else "<td></td>"
            )
            rows += f"\n<tr{line}>{first}{self.right(others, columns, row)}</tr>"
        local = ' class="local"' if block.local else ""
        return f"<tbody{local}>{rows}</tbody>"

    def right(self, cells: Sequence[Inline | None], columns: tuple[bool, bool], row: Row, opens: bool = False) -> str:
        """The right-hand sides, the rule and the value; where `opens`, the first side follows no equals sign."""
        shown = [cell for cell in cells if cell is not None]
        sides = " ".join(self.equal(cell, opens and cell is shown[0]) for cell in shown)
        notes, values = columns
        note = f'<td class="note">{self.note(row)}</td>' if notes else ""
        shown_value = equals_blank_html(row.value) if isinstance(row.value, Blank) else valued(row.value)
        value = f'<td class="value">{shown_value}</td>' if values else ""
        return f"<td>{sides}</td>{note}{value}"

    def note(self, row: Row) -> str:
        """The rule's name, and the cases that hold."""
        cases = [
            self.math(self.formula.condition(case), self.unicode.formula.condition(case), display=False)
            for case in row.cases
        ]
        return escaped(row.note) + (f": {', '.join(cases)}" if cases else "")

    def summary(self, blocks: Sequence[Block]) -> str:
        """What a step comes to: its derivative and the last form of it, or its heading; empty where it is no step."""
        rows = [row for block in blocks if isinstance(block, Equations) for row in block.rows if row.cells]
        headings = [block.text for block in blocks if isinstance(block, Heading)]
        if headings or not rows:
            return escaped("".join(headings))
        left = next(row.cells[0] for row in reversed(rows) if row.cells[0] is not None)
        right, value = rows[-1].cells[-1], rows[-1].value
        assert right is not None
        if isinstance(right, Blank) or isinstance(value, Blank):
            return self.math(self.inline(left), self.unicode.inline(left))
        content = self.inline(left) + EQUALS + self.inline(right)
        alternative = f"{self.unicode.inline(left)} = {self.unicode.inline(right)}"
        shown = f' <span class="value">{valued(value)}</span>' if value is not None else ""
        return self.math(content, alternative) + shown

    # numbers

    def table(self, block: Table) -> str:
        """Numbers in columns; what stands in the first names the row."""
        heads = "".join(
            f'<th scope="col"{self._kind(block, i)}>{self.cell(c)}</th>' for i, c in enumerate(block.header)
        )
        rows = ""
        for first, *others in block.rows:
            cells = "".join(f"<td{self._kind(block, i)}>{self.cell(c)}</td>" for i, c in enumerate(others, 1))
            rows += f'\n<tr><th scope="row">{self.cell(first)}</th>{cells}</tr>'
        return scrolling("numbers", f"<thead><tr>{heads}</tr></thead>\n<tbody>{rows}\n</tbody>")

    @staticmethod
    def _kind(block: Table, column: int) -> str:
        return ' class="number"' if 0 < column < len(block.header) - 1 else ""

    def cell(self, cell: Quantity | str) -> str:
        """A derivative, a number or words."""
        return self.quantity(cell) if isinstance(cell, Quantity) else escaped(self.unicode.spelled(cell))


def sections(document: Document) -> list[list[Block]]:
    """The blocks between gaps."""
    found: list[list[Block]] = [[]]
    for block in document:
        if isinstance(block, Gap):
            found.append([])
        else:
            found[-1].append(block)
    return [blocks for blocks in found if blocks]


def scrolling(kind: str, content: str) -> str:
    """A table that scrolls in its own box where it is wider than the page."""
    return f'<div class="scroll"><table class="{kind}">{content}\n</table></div>'


def _rows_of(block: Equations | Paths) -> tuple[Row, ...]:
    return tuple(row for _, row in block.items) if isinstance(block, Paths) else block.rows
