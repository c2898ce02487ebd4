"""Drawings in LaTeX: lines by PDF operators, which every engine passes on to the PDF, words by LaTeX.

They need color and graphicx, which are part of every LaTeX. TikZ and pict2e would need Debian's texlive-pictures, and
TikZ takes several times as long; LaTeX's own picture environment draws few slopes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from symgrad.renderers.latex_words import words
from symgrad.renderers.layered import Point

DRAWING_PREAMBLE = (
    r"\def\symgradlines#1{\special{pdf:content #1}}% XeTeX, and dvipdfmx",
    r"\ifdefined\pdfextension\ifnum\outputmode>0",
    r"\def\symgradlines#1{\pdfextension literal{q #1 Q}}\fi% LuaTeX",
    r"\else\ifdefined\pdfliteral\ifnum\pdfoutput>0",
    r"\def\symgradlines#1{\pdfliteral{q #1 Q}}\fi\fi\fi% pdfTeX",
    r"\newsavebox{\symgradbox}",
    r"\newcommand{\symgraddrawing}[1]{\noindent\sbox{\symgradbox}{\setlength{\unitlength}{1bp}\color{black}#1}%",
    r"\ifdim\wd\symgradbox>\linewidth\sbox{\symgradbox}{\resizebox{\linewidth}{!}{\usebox{\symgradbox}}}\fi",
    r"\ifdim\ht\symgradbox>0.9\textheight\sbox{\symgradbox}{\resizebox{!}{0.9\textheight}{\usebox{\symgradbox}}}\fi",
    r"\usebox{\symgradbox}}",
)
"""What `Drawing.latex` needs, beside color and graphicx; a drawing that a line or a page is too small for is scaled."""

TEXT_WIDTH, TEXT_HEIGHT = 480.0, 660.0
"""In points of 1/72 inch: about a page of A4 or Letter with margins of 2 cm."""

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
        points: how many points a pixel has, unless the line is too narrow.
    """

    def __init__(self, width: float, height: float, points: float = POINTS) -> None:
        self.width, self.height, self.scale = width, height, points
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

    def words(
        self, text: str, at: Point, size: float, side: Side = "middle", *, bold: bool = False, colour: str = ""
    ) -> None:
        """Words with their baseline at a point."""
        self.put(self.styled(text, size, bold=bold, colour=colour), at, side)

    def styled(self, text: str, size: float, *, bold: bool = False, colour: str = "") -> str:
        """Words of a size, in LaTeX, to be put somewhere."""
        points = _n(size * self.scale)
        inked = rf"\color[rgb]{{{_rgb(colour).replace(' ', ',')}}}" if colour else ""
        weight = r"\bfseries" if bold else r"\mdseries"
        return rf"\fontsize{{{points}bp}}{{{points}bp}}\sffamily{weight}{inked} {words(text)}"

    def put(self, latex: str, at: Point, side: Side = "middle") -> None:
        """LaTeX with its baseline at a point."""
        x, y = self._place(at)
        left, right = {"start": ("", r"\hss"), "middle": (r"\hss", r"\hss"), "end": (r"\hss", "")}[side]
        self.written.append(rf"\put({_n(x)},{_n(y)}){{\hbox to 0pt{{{left}{{{latex}}}{right}}}}}")

    def latex(self) -> str:
        """The drawing, which is a box as wide as it is, or as the line."""
        size = f"({_n(self.width * self.scale)},{_n(self.height * self.scale)})"
        lines = [r"\symgraddrawing{%", rf"\begin{{picture}}{size}", r"\put(0,0){\symgradlines{%"]
        return "\n".join([*lines, *self.operators, "}}", *self.written, r"\end{picture}}"])

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
