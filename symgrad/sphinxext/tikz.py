"""A picture of a graph for LaTeX: placed, shaped and coloured as the SVG is, in light, drawn by TikZ."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from symgrad.renderers.latex_formula import latex_name
from symgrad.renderers.layered import HEAD, Point, Route, Size
from symgrad.renderers.picture import Arrow, Box, Picture
from symgrad.renderers.placed import (
    LABEL_SIZE,
    SAMPLE,
    SAMPLE_SKEW,
    SKEW,
    Command,
    Entry,
    Line,
    baselines,
    frames,
    label_size,
    line_and_tip,
    place,
    slanted,
)
from symgrad.renderers.svg_style import LIGHT, MARGIN

PIXEL = 0.75
"""A pixel of the SVG in points."""

COLOURS = "\n".join(
    rf"\definecolor{{symgrad-{name}}}{{HTML}}{{{colour[1:].upper()}}}" for name, colour in LIGHT.items()
)
"""For the preamble."""


def to_tikz(picture: Picture) -> str:
    """The picture as a `tikzpicture`, with y downwards, in pixels of the SVG."""
    placed = place(picture)
    graph = [
        *(_edge(arrow, route) for arrow, route in reversed(placed.routes)),
        *(_box(*box) for box in placed.boxes),
        *(_label(arrow, route.label) for arrow, route in placed.routes if route.label),
    ]
    return "\n".join(
        [
            rf"\begin{{tikzpicture}}[x={PIXEL}bp,y=-{PIXEL}bp]",
            rf"\begin{{scope}}[shift={{{_at((placed.left, MARGIN))}}}]",
            *graph,
            r"\end{scope}",
            *map(_entry, placed.legend),
            r"\end{tikzpicture}",
        ]
    )


def _edge(arrow: Arrow, route: Route) -> str:
    colour = "highlight" if arrow.highlighted else "line" if arrow.live else "faint"
    line, (x, y) = line_and_tip(route)
    head = " -- ".join(map(_at, ((x, y), (x - HEAD, y - 3.5), (x - HEAD, y + 3.5))))
    return (
        rf"\draw[symgrad-{colour},line width={_n((3 if arrow.highlighted else 1.3) * PIXEL)}bp] {_path(line)};"
        rf"\fill[symgrad-{colour}] {head} -- cycle;"
    )


def _path(commands: Sequence[Command]) -> str:
    words = ""
    for letter, points in commands:
        match letter:
            case "M":
                words += _at(points[0])
            case "H":
                words += f" -- {_at(points[0])}"
            case "C":
                words += f" .. controls {_at(points[0])} and {_at(points[1])} .. {_at(points[2])}"
    return words


def _box(box: Box, lines: Sequence[Line], size: Size, middle: Point) -> str:
    parts = [rf"\begin{{scope}}[shift={{{_at(middle)}}}]", _outline(box.role, size, box.highlighted)]
    for line, baseline in zip(lines, baselines(lines, size), strict=True):
        weight = r"\bfseries " if line.kind == "name" else ""
        beside = rf"\,{{{_size(LABEL_SIZE)}\mdseries\color{{symgrad-soft}}{words(line.beside)}}}" if line.beside else ""
        colour = "backward" if line.kind == "adjoint" else "ink"
        parts.append(_text(f"{weight}{words(line.text)}{beside}", (0.0, baseline), line.size, colour))
    return "".join([*parts, r"\end{scope}"])


def _outline(role: str, size: Size, highlighted: bool = False, skew: float = SKEW) -> str:
    """The shape that says the role."""
    ground = role if role in LIGHT else "ground"
    colour = f"{role}-line" if f"{role}-line" in LIGHT else "soft" if role == "input" else "line"
    style = f"fill=symgrad-{ground},draw=symgrad-{colour},line width={_n(1.2 * PIXEL)}bp"
    if highlighted:
        style = f"fill=symgrad-{ground},draw=symgrad-highlight,line width={_n(3 * PIXEL)}bp"
    elif role == "inserted":
        style += ",dash pattern=on 2bp off 2bp"
    if role == "input":
        return rf"\path[{style}] {' -- '.join(map(_at, slanted(size, skew)))} -- cycle;"
    first, *inner = frames(role, size)
    made = _frame(first.half_width, first.half_height, first.radius, style)
    for frame in inner:
        made += _frame(
            frame.half_width, frame.half_height, frame.radius, f"draw=symgrad-output-line,line width={PIXEL}bp"
        )
    return made


def _frame(half_width: float, half_height: float, radius: float, style: str) -> str:
    corners = f"{_at((-half_width, -half_height))} rectangle {_at((half_width, half_height))}"
    return rf"\path[{style},rounded corners={_n(radius * PIXEL)}bp] {corners};"


def _label(arrow: Arrow, middle: Point) -> str:
    size = label_size(arrow)
    assert size is not None
    colour, width = ("highlight", 1.2) if arrow.highlighted else ("faint", 0.6)
    style = f"fill=symgrad-ground,draw=symgrad-{colour},line width={_n(width * PIXEL)}bp"
    frame = _frame(size.width / 2, size.height / 2, 3.0, style)
    return (
        rf"\begin{{scope}}[shift={{{_at(middle)}}}]{frame}"
        rf"{_text(words(arrow.label), (0.0, 4.0), LABEL_SIZE, 'backward')}\end{{scope}}"
    )


def _entry(entry: Entry) -> str:
    """An entry of the legend: a small example, and a word."""
    sample = ""
    if entry.kind == "highlighted":
        sample = rf"\draw[symgrad-highlight,line width={_n(3 * PIXEL)}bp] (0,0) -- (20,0);"
    elif entry.kind:
        outline = _outline(entry.kind, SAMPLE, skew=SAMPLE_SKEW)
        sample = rf"\begin{{scope}}[shift={{{_at((SAMPLE.width / 2, 0.0))}}}]{outline}\end{{scope}}"
    told = _text(words(entry.text), (27.0 if entry.kind else 0.0, 4.0), LABEL_SIZE, "ink", "base west")
    return rf"\begin{{scope}}[shift={{{_at((entry.x, entry.y))}}}]{sample}{told}\end{{scope}}"


def _text(latex: str, at: Point, size: float, colour: str, anchor: str = "base") -> str:
    style = f"anchor={anchor},inner sep=0pt,text=symgrad-{colour}"
    return rf"\node[{style}] at {_at(at)} {{{_size(size)}{latex}}};"


def _size(size: float) -> str:
    points = _n(size * PIXEL)
    return rf"\fontsize{{{points}bp}}{{{points}bp}}\selectfont\sffamily "


def _at(point: Point) -> str:
    return f"({_n(point[0])},{_n(point[1])})"


def _n(value: float) -> str:
    """A coordinate, to a hundredth."""
    text = f"{value:.2f}".rstrip("0").removesuffix(".")
    return "0" if text == "-0" else text


# words

_SIGNS = {
    "−": "-", "·": r"\cdot", "∂": r"\partial", "√": r"\surd", "≈": r"\approx", "⊙": r"\odot", "≤": r"\le",
    "≥": r"\ge", "≠": r"\ne", "→": r"\to", "∞": r"\infty", "∑": r"\textstyle\sum", "Σ": r"\textstyle\sum",
    "∏": r"\textstyle\prod", "⊤": r"\top", "ᵀ": r"^{\mathsf T}", "<": "<", ">": ">", "×": r"\times", "…": r"\ldots",
}  # fmt: skip
_ESCAPED = {c: rf"\{c}" for c in "_%&#${}"} | {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    "\N{NO-BREAK SPACE}": "~",
}
_RAISED = re.compile(r"<(super|sub)> ")


def words(text: str) -> str:
    """Unicode text as LaTeX sets it, with pdfLaTeX's letters and no command of the text's own."""
    return "".join(map(_word, re.findall(r".[\u0300-\u036f\u20d0-\u20ff]*", text, re.DOTALL)))  # accents stay


def _word(character: str) -> str:
    """One character with its accents."""
    if character in _ESCAPED:
        return _ESCAPED[character]
    if character in _SIGNS:
        return rf"\ensuremath{{{_SIGNS[character]}}}"
    if character.isascii():
        return character if character.isprintable() else " "
    raised = _RAISED.match(unicodedata.decomposition(character[0]))
    if raised:
        base = unicodedata.normalize("NFKC", character)
        sign = "^" if raised[1] == "super" else "_"
        return rf"\ensuremath{{{sign}{{{words(base) if base != character else '?'}}}}}"
    return rf"\ensuremath{{{latex_name(character)}}}" if character.isprintable() else "?"
