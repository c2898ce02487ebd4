"""Words and simple mathematics, as a terminal shows them, in LaTeX's text mode."""

from __future__ import annotations

import re
import unicodedata
from itertools import groupby
from typing import Literal

from symgrad.renderers.latex_formula import CLUSTER, latex_name
from symgrad.renderers.plain_names import COMMANDS, MARKS

_SIGNS = {
    "−": "-", "·": r"\cdot", "×": r"\times", "∂": r"\partial", "⊙": r"\odot", "⊘": r"\oslash", "∘": r"\circ",
    "Σ": r"\Sigma", "Π": r"\Pi", "∑": r"\Sigma", "∏": r"\Pi", "√": r"\surd", "≈": r"\approx", "≤": r"\leq",
    "≥": r"\geq", "≠": r"\neq", "→": r"\to", "∞": r"\infty", "½": r"\frac{1}{2}", "∈": r"\in", "⊤": r"\top",
    "<": "<", ">": ">", "|": "|",
}  # fmt: skip
_ESCAPED = {character: rf"\{character}" for character in "_%&#${}"} | {
    "\\": r"\textbackslash{}", "^": r"\^{}", "~": r"\~{}", '"': r"\symbol{34}", "…": r"\ldots{}",
    "\N{NO-BREAK SPACE}": "~",
}  # fmt: skip
_ACCENTS = {
    "grave": "`", "acute": "'", "hat": "^", "tilde": "~", "bar": "=", "breve": "u", "dot": ".", "ddot": '"',
    "mathring": "r", "check": "v",
}  # fmt: skip
"""What text calls an accent, by what mathematics calls it."""

_RAISED = re.compile(r"<(super|sub)> ")

_Kind = Literal["text", "math", "^", "_"]


LETTERS_PREAMBLE = (
    r"\ifdefined\Umathcode% XeTeX, LuaTeX",
    r'\newcommand{\symgradletter}[2]{\begingroup\lccode`\~="#2\lowercase{\endgroup\protected\def~}{%',
    r'\iffontchar\font"#2 \char"#2 \else U+#2\fi}\catcode"#2=\active}',
    r"\else% pdfTeX",
    r"\newcommand{\symgradletter}[2]{\ifcsname u8:\detokenize{#1}\endcsname\else",
    r"\DeclareUnicodeCharacter{#2}{U+#2}\fi}",
    r"\fi",
)
"""A letter that the fonts of a document lack is its code: pdfTeX would stop there, the others leave it out."""


def letters(text: str) -> list[str]:
    """What to say before a document of this text, after `LETTERS_PREAMBLE`."""
    found = sorted({character for character in text if not character.isascii()})
    return [rf"\symgradletter{{{character}}}{{{ord(character):04X}}}" for character in found]


def words(text: str) -> str:
    """Text as LaTeX sets it, with any engine, and with no command of the text's own."""
    pieces: list[tuple[bool, str]] = []
    for kind, group in groupby(map(_piece, CLUSTER.findall(unicodedata.normalize("NFD", text))), lambda p: p[0]):
        joined = "".join(latex for _, latex in group)
        pieces.append((kind != "text", f"{kind}{{{joined}}}" if kind in ("^", "_") else joined))
    made = ""
    for is_mathematics, several in groupby(pieces, lambda piece: piece[0]):
        joined = "".join(latex for _, latex in several)
        made += f"${joined}$" if is_mathematics else joined
    return made


def _piece(cluster: str) -> tuple[_Kind, str]:
    """One character with its accents."""
    character, marks = cluster[0], list(cluster[1:])
    if character in _ESCAPED:
        return "text", _ESCAPED[character]
    if character in _SIGNS:
        return "math", _SIGNS[character]
    if not character.isprintable():
        return "text", " " if character.isspace() else "?"
    if character == "ᵀ":
        return "^", r"\top"
    if raised := _RAISED.match(unicodedata.decomposition(character)):
        base = unicodedata.normalize("NFKC", character)
        sign: _Kind = "^" if raised[1] == "super" else "_"
        return sign, base if base.isascii() else _SIGNS.get(base) or latex_name(base)
    if character in COMMANDS or "\u0370" <= character < "\u0400":
        return "math", latex_name(cluster)
    if not marks:
        return "text", character
    return _accented(character, marks)


def _accented(letter: str, marks: list[str]) -> tuple[_Kind, str]:
    """A letter with accents: by commands, since few letters with accents are known to every engine."""
    told = [MARKS.get(mark, "") for mark in marks]
    if all(mark in _ACCENTS for mark in told):
        for mark in told:
            letter = rf"\{_ACCENTS[mark]}{{{letter}}}"
        return "text", letter
    if all(told):
        return "math", latex_name(letter + "".join(marks))
    return "text", unicodedata.normalize("NFC", letter + "".join(marks))
