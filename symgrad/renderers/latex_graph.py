"""A picture of a graph as a LaTeX drawing, from the layout that every format shares."""

from __future__ import annotations

from collections.abc import Sequence

from symgrad.renderers.latex_drawing import TEXT_WIDTH, Drawing, Operation, polygon, rounded
from symgrad.renderers.layered import HEAD, Point, Size
from symgrad.renderers.picture import Arrow, Box, Picture
from symgrad.renderers.placed import (
    LABEL_SIZE,
    SAMPLE,
    SAMPLE_SKEW,
    SKEW,
    Command,
    Entry,
    Line,
    Placed,
    baselines,
    frames,
    label_size,
    line_and_tip,
    place,
    slanted,
)
from symgrad.renderers.svg_style import LIGHT, MARGIN

WIDEST = TEXT_WIDTH / 0.3
"""A wider picture, in pixels, would have letters too small to read."""

_FILL = {"input": "input", "parameter": "parameter", "output": "output"}
_STROKE = {"input": "soft", "parameter": "parameter-line", "output": "output-line"}


def graph_latex(picture: Picture) -> str:
    """The picture; empty where it is too wide for a page."""
    placed = place(picture)
    if placed.width > WIDEST:
        return ""
    drawing = Drawing(placed.width, placed.height)
    origin = (placed.left, MARGIN)
    _edges(drawing, placed, origin)
    for box, lines, size, middle in placed.boxes:
        _box(drawing, box, lines, size, _moved(middle, origin))
    for arrow, route in placed.routes:
        if route.label:
            _label(drawing, arrow, _moved(route.label, origin))
    for entry in placed.legend:
        _entry(drawing, entry)
    return drawing.latex()


def _edges(drawing: Drawing, placed: Placed, origin: Point) -> None:
    for arrow, route in reversed(placed.routes):
        colour = LIGHT["line" if arrow.live else "faint"]
        line, tip = line_and_tip(route)
        drawing.path(_steps(line, origin), stroke=colour, width=1.3)
        x, y = _moved(tip, origin)
        drawing.path(polygon([(x, y), (x - HEAD, y - 3.5), (x - HEAD, y + 3.5)]), fill=colour)


def _steps(commands: Sequence[Command], origin: Point) -> list[Operation]:
    steps: list[Operation] = []
    for letter, points in commands:
        moved = tuple(_moved(point, origin) for point in points)
        steps.append(("L" if letter == "H" else letter, moved))
    return steps


def _box(drawing: Drawing, box: Box, lines: Sequence[Line], size: Size, middle: Point) -> None:
    _outline(drawing, box.role, size, middle)
    for line, baseline in zip(lines, baselines(lines, size), strict=True):
        text = f"{line.text} {line.beside}" if line.beside else line.text
        drawing.words(text, _moved((0.0, baseline), middle), line.size, bold=line.kind == "name")


def _outline(drawing: Drawing, role: str, size: Size, middle: Point, skew: float = SKEW) -> None:
    stroke, fill = LIGHT[_STROKE.get(role, "line")], LIGHT[_FILL.get(role, "ground")]
    if role == "input":
        corners = [_moved(corner, middle) for corner in slanted(size, skew)]
        drawing.path(polygon(corners), stroke, fill, 1.2)
        return
    for frame in frames(role, size):
        outline = rounded(middle, frame.half_width, frame.half_height, frame.radius)
        drawing.path(outline, stroke, fill, 1.2, "3 2.5" if role == "inserted" else "")


def _label(drawing: Drawing, arrow: Arrow, middle: Point) -> None:
    size = label_size(arrow)
    assert size is not None
    drawing.path(rounded(middle, size.width / 2, size.height / 2, 3.0), LIGHT["faint"], LIGHT["ground"], 0.6)
    drawing.words(arrow.label, _moved((0.0, 4.0), middle), LABEL_SIZE)


def _entry(drawing: Drawing, entry: Entry) -> None:
    at = (entry.x, entry.y)
    if entry.kind:
        _outline(drawing, entry.kind, SAMPLE, _moved((10.5, 0.0), at), SAMPLE_SKEW)
    drawing.words(entry.text, _moved((27.0 if entry.kind else 0.0, 4.0), at), LABEL_SIZE, "start")


def _moved(point: Point, by: Point) -> Point:
    return point[0] + by[0], point[1] + by[1]
