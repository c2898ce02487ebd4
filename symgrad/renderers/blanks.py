"""Blanks to write in by hand, in each format; all are equally wide, so that none tells what belongs there."""

from __future__ import annotations

from symgrad.renderers.document import Blank
from symgrad.renderers.mathml_pieces import EQUALS

LETTERS = (20, 8)
"""The width of a blank for a formula, and of one for a number, in characters."""

LENGTHS = ("4.5cm", "1.8cm")
"""The same on paper."""


def numbered(blank: Blank) -> str:
    """The number of a blank, the same on the sheet and in the key."""
    return f"({blank.number})"


def blank_text(blank: Blank) -> str:
    """`(1) ________`."""
    return f"{numbered(blank)} {'_' * LETTERS[blank.short]}"


def blank_latex(blank: Blank) -> str:
    """A ruled line, with room above it."""
    line = rf"\rule{{0pt}}{{4ex}}\hspace{{{LENGTHS[blank.short]}}}"
    return rf"\text{{{numbered(blank)}}} ~ \underline{{{line}}}"


def blank_markdown(blank: Blank) -> str:
    """The same by commands that every reader of Markdown knows."""
    width = r"\qquad" * (2 if blank.short else 6)
    return rf"\text{{{numbered(blank)}}} ~ \underline{{{width}}}"


def blank_html(blank: Blank, before: str = "") -> str:
    """A ruled line, after what stands `before` it; its width and height are the page's style's."""
    kind = "blank short" if blank.short else "blank"
    line = f'<span class="rule" role="img" aria-label="blank {blank.number}"></span>'
    return f'<span class="{kind}">{before}{numbered(blank)}{line}</span>'


def equals_blank_html(blank: Blank) -> str:
    """`= ____`."""
    return blank_html(blank, f'<math alttext="=">{EQUALS}</math> ')
