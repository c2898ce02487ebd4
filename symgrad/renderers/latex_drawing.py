"""Drawings in LaTeX without a package: lines by PDF operators, which pdfTeX, LuaTeX and XeTeX pass on, words by LaTeX.

TikZ and pict2e would need Debian's texlive-pictures; LaTeX's own picture environment draws few slopes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal

from symgrad.renderers.latex_formula import latex_name
from symgrad.renderers.layered import Point
from symgrad.renderers.plain_names import COMMANDS, MARKS

DRAWING_PREAMBLE = (
    r"\ifdefined\pdfextension\def\pdfoperators#1{\pdfextension literal{q #1 Q}}% LuaTeX",
    r"\else\ifdefined\pdfliteral\def\pdfoperators#1{\ifnum\pdfoutput>0 \pdfliteral{q #1 Q}\fi}% pdfTeX",
    r"\else\def\pdfoperators#1{\special{pdf:content #1}}\fi\fi% XeTeX",
)
"""What `Drawing.latex` needs."""

TEXT_WIDTH = 480.0
"""In points of 1/72 inch: a page of A4 or Letter with margins of 2 cm."""

POINTS = 0.75
"""Points in a pixel."""

_OPERATORS = {"M": "m", "L": "l", "C": "c", "Z": "h"}

CURVE = 0.5523
"""How far a quarter of a circle's control points stand from its ends, in radii."""

Side = Literal["start", "middle", "end"]
Operation = tuple[Literal["M", "L", "C", "Z"], tuple[Point, ...]]


class Drawing:
    """Collects lines and words; lengths are in pixels, and y runs downwards.

    Args:
        width: of the whole.
        height: of the whole.
        points: how many points a pixel has, unless the page is too narrow.
    """

    def __init__(self, width: float, height: float, points: float = POINTS) -> None:
        self.width, self.height = width, height
        self.scale = min(points, TEXT_WIDTH / width)
        self.operators: list[str] = []
        self.written: list[str] = []

    def path(
        self, steps: Sequence[Operation], stroke: str = "", fill: str = "", width: float = 1.0, dash: str = ""
    ) -> None:
        """A line, or an area, in colours such as `#1f6fd0`."""
        parts = [f"{_n(width * self.scale)} w", "1 j"]
        parts += [f"{_rgb(colour)} {operator}" for colour, operator in ((stroke, "RG"), (fill, "rg")) if colour]
        if dash:
            parts.append(f"[{' '.join(_n(float(part) * self.scale) for part in dash.split())}] 0 d")
        for letter, points in steps:
            numbers = [_n(number) for point in points for number in self._place(point)]
            parts.append(" ".join([*numbers, _OPERATORS[letter]]))
        paint = "B" if stroke and fill else "S" if stroke else "f"
        self.operators.append(" ".join(["q", *parts, paint, "Q"]))

    def words(self, text: str, at: Point, size: float, side: Side = "middle", bold: bool = False) -> None:
        """Words with their baseline at a point."""
        x, y = self._place(at)
        left, right = {"start": ("", r"\hss"), "middle": (r"\hss", r"\hss"), "end": (r"\hss", "")}[side]
        points = _n(size * self.scale)
        font = rf"\fontsize{{{points}}}{{{points}}}\sffamily" + (r"\bfseries" if bold else "")
        self.written.append(rf"\put({_n(x)},{_n(y)}){{\hbox to 0pt{{{left}{font} {words(text)}{right}}}}}")

    def latex(self) -> str:
        """The drawing as a `picture`."""
        size = f"({_n(self.width * self.scale)},{_n(self.height * self.scale)})"
        lines = ["{", r"\setlength{\unitlength}{1bp}\noindent", rf"\begin{{picture}}{size}"]
        lines.append(r"\put(0,0){\pdfoperators{%")
        return "\n".join([*lines, *self.operators, "}}", *self.written, r"\end{picture}", "}"])

    def _place(self, point: Point) -> Point:
        return point[0] * self.scale, (self.height - point[1]) * self.scale


def polygon(points: Sequence[Point]) -> list[Operation]:
    """Straight lines, closed."""
    return [*polyline(points), ("Z", ())]


def polyline(points: Sequence[Point]) -> list[Operation]:
    """Straight lines."""
    return [("L" if position else "M", (point,)) for position, point in enumerate(points)]


def rounded(middle: Point, half_width: float, half_height: float, radius: float) -> list[Operation]:
    """A rectangle with rounded corners."""
    (x, y), w, h, r = middle, half_width, half_height, min(radius, half_width, half_height)
    steps: list[Operation] = [("M", ((x - w + r, y - h),))]
    for sx, sy, turned in ((1, -1, False), (1, 1, True), (-1, 1, False), (-1, -1, True)):
        corner = (x + sx * w, y + sy * h)
        along, across = (corner[0] - sx * r, corner[1]), (corner[0], corner[1] - sy * r)
        start, end = (across, along) if turned else (along, across)
        steps.append(("L", (start,)))
        steps.append(("C", (_towards(start, corner), _towards(end, corner), end)))
    return [*steps, ("Z", ())]


def _towards(start: Point, end: Point) -> Point:
    return start[0] + CURVE * (end[0] - start[0]), start[1] + CURVE * (end[1] - start[1])


def _rgb(colour: str) -> str:
    return " ".join(_n(int(colour[i : i + 2], 16) / 255, 3) for i in (1, 3, 5))


def _n(value: float, digits: int = 2) -> str:
    text = f"{value:.{digits}f}".rstrip("0").removesuffix(".")
    return "0" if text == "-0" else text


# words

_SIGNS = {
    "−": "-", "·": r"\cdot", "×": r"\times", "∂": r"\partial", "⊙": r"\odot", "⊘": r"\oslash", "∘": r"\circ",
    "Σ": r"\Sigma", "Π": r"\Pi", "∑": r"\Sigma", "∏": r"\Pi", "√": r"\surd", "≈": r"\approx", "≤": r"\leq",
    "≥": r"\geq", "≠": r"\neq", "→": r"\to", "∞": r"\infty", "…": r"\ldots", "½": r"\frac{1}{2}", "ᵀ": r"^{\top}",
    "<": "<", ">": ">", "|": "|",
}  # fmt: skip
_RAISED, _LOWERED, _PLAIN = "⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "₋₀₁₂₃₄₅₆₇₈₉", "-0123456789"
_PARTS = re.compile(rf"[{_RAISED}]+|[{_LOWERED}]+|.", re.DOTALL)
_ESCAPED = {character: rf"\{character}" for character in "_%&#${}"} | {
    "\\": r"\textbackslash{}", "^": r"\^{}", "~": r"\~{}",
}  # fmt: skip


def words(text: str) -> str:
    """Words and simple mathematics as a terminal shows them, in LaTeX's text mode."""
    made: list[str] = []
    for character in _PARTS.findall(unicodedata.normalize("NFD", text)):
        if character in MARKS and made:
            made[-1] = rf"$\{MARKS[character]}{{{made[-1].strip('$')}}}$"
        elif character[0] in _RAISED:
            made.append(f"$^{{{character.translate(str.maketrans(_RAISED, _PLAIN))}}}$")
        elif character[0] in _LOWERED:
            made.append(f"$_{{{character.translate(str.maketrans(_LOWERED, _PLAIN))}}}$")
        elif character in _SIGNS:
            made.append(f"${_SIGNS[character]}$")
        elif character in COMMANDS or "\u0370" <= character < "\u0400":
            made.append(f"${latex_name(character)}$")
        else:
            made.append(_ESCAPED.get(character, character))
    return unicodedata.normalize("NFC", "".join(made)).replace("$$", "")
