"""Markdown with LaTeX mathematics, as GitHub, MkDocs and Quarto read it.

Some of them read the Markdown first and the mathematics second, so within it stands no backslash before punctuation, no
row that goes on after its `\\\\`, no underscore that could close an emphasis and no sign that could open a tag. Every
command is one that LaTeX, MathJax, KaTeX and pandoc's converter to Word know: spaces are `~`, and an underscore that
belongs to a name is a lowered dash, since MathJax shows the backslash of an escaped one in text, KaTeX refuses one that
is not escaped, and GitHub takes the backslash away.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import sympy

from symgrad.renderers.blanks import blank_markdown
from symgrad.renderers.document import (
    Adjoints,
    Blank,
    Block,
    Chain,
    Convention,
    Document,
    Given,
    Heading,
    Key,
    Legend,
    Name,
    Quantity,
    Remark,
    Table,
    Tensors,
)
from symgrad.renderers.latex import KEY, LEGEND, LatexRenderer

_WORDS = re.compile(r"\\(?:operatorname|mathrm|text)\{((?:[^{}\\]|\\[_%&#$])*)\}")
_ESCAPED = {character: rf"\{character}" for character in r"\`*_[]|$"}
_NAMED = {"<": "&lt;", ">": "&gt;", "&": "&amp;", "~": "&#126;", "^": "&#94;"}  # not every dialect can escape these
_PLAIN = str.maketrans(_ESCAPED | _NAMED)
_UNDERSCORE = "{}_{-}"


def mathematics(latex: str) -> str:
    """LaTeX that survives being read as Markdown."""
    text = _WORDS.sub(_word, latex.replace("$", "").replace("`", "")).replace(r"\_", _UNDERSCORE)
    text = text.replace(r"\,", " ~ ").replace("<", " < ")
    text = re.sub(r"\\\\[ \n]*", "\\\\\\\\\n", text)
    return re.sub(r" {2,}", " ", re.sub(r"(?<![\s\\])_(?=\{)", " _", text))


def _word(match: re.Match[str]) -> str:
    """A word in upright letters; in text there is no dash, so that one with an underscore comes in several parts."""
    if not match[0].startswith(r"\text"):
        return rf"\mathrm{{{match[1]}}}"
    return r"\_".join(rf"\text{{{part}}}" for part in match[1].split(r"\_"))


def words(text: str) -> str:
    """Plain words, so that nothing in them is markup."""
    return text.translate(_PLAIN)


class MarkdownRenderer(LatexRenderer):
    """Prints a document in Markdown."""

    together = ()
    value_below = False

    def render(self, document: Document) -> str:
        return re.sub(r"\n{3,}", "\n\n", super().render(document)).strip("\n")

    def rows(self, block: Block) -> list[str] | None:
        return None if isinstance(block, (Given, Adjoints)) else super().rows(block)

    def block(self, block: Block) -> list[str]:
        match block:
            case Given():
                return ["**Given**", *self.align(super().rows(block) or [])]
            case Adjoints():
                heading = ["**Backward**"] if block.heading else []
                return [*heading, *self.align(super().rows(block) or [])]
            case Chain():
                return ["", f"Path {_inline(self.chain(block.nodes))}", ""]
            case Remark():
                return ["", "".join(self.piece(part) for part in block.parts), ""]
            case Legend():
                return ["", LEGEND, ""] if block.needed else []
            case Heading():
                return ["", f"**{words(block.text)}**", ""]
            case Convention():
                return ["", f"{words(block.name)}: {words(block.text)}.", ""]
            case Table():
                return ["", *self.table(block), ""]
            case Tensors():
                return ["**Given**", *self.definitions(block)]
            case Key():
                return ["", f"**{KEY}**", *self.align(self.key_rows(block))]
            case _:
                return super().block(block)

    @staticmethod
    def blank(blank: Blank) -> str:
        return blank_markdown(blank)

    @staticmethod
    def align(rows: Sequence[str]) -> list[str]:
        if not rows:
            return []
        return ["", "$$", r"\begin{aligned}", mathematics(" \\\\\n".join(rows)), r"\end{aligned}", "$$", ""]

    def definitions(self, block: Tensors) -> list[str]:
        *equations, leaves, _ = super().definitions(block)
        return [*equations, re.sub(r"\$([^$]*)\$", lambda match: _inline(match[1]), leaves), ""]

    def piece(self, part: str | Name | Quantity) -> str:
        match part:
            case Name():
                return _inline(self.formula.name(part.name))
            case Quantity():
                return _inline(self.quantity(part))
            case _:
                return words(part)

    def table(self, block: Table) -> list[str]:
        """A table as GitHub has it: numbers to the right."""
        last = len(block.header) - 1
        rule = ["---:" if 0 < i < last else "---" for i in range(len(block.header))]
        rows = [[self.cell(cell) for cell in row] for row in (block.header, *block.rows)]
        return [f"| {' | '.join(row)} |" for row in (rows[0], rule, *rows[1:])]

    def cell(self, part: Quantity | str) -> str:
        """A derivative on one line, or words."""
        if not isinstance(part, Quantity):
            return words(part)
        d, entry = r"\mathrm{d}" if part.total else r"\partial ", tuple(map(sympy.Integer, part.entry))
        of = self.formula.subscripted(self.formula.name(part.of), entry[: part.rank])
        by = self.formula.subscripted(self.formula.name(part.by), entry[part.rank :])
        return _inline(f"{d}{of}/{d}{by}".replace("|", r"\vert "))


def _inline(latex: str) -> str:
    return f"${mathematics(latex).strip()}$"
