"""A picture of a graph as a LaTeX drawing, from the layout that every format shares."""

from __future__ import annotations

from collections.abc import Sequence

from symgrad.renderers.latex_drawing import TEXT_HEIGHT, TEXT_WIDTH, Drawing, Operation, polygon, polyline, rounded
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

WIDEST, HIGHEST = TEXT_WIDTH / 0.3, TEXT_HEIGHT / 0.3
"""A larger picture, in pixels, would have letters too small to read."""


def graph_latex(picture: Picture) -> str:
    """The picture, for `DRAWING_PREAMBLE`; empty where it is too large for a page."""
    placed = place(picture)
    if placed.width > WIDEST or placed.height > HIGHEST:
        return ""
    drawing = Drawing(placed.width, placed.height)
    origin = (placed.left, MARGIN)
    for arrow, route in reversed(placed.routes):
        _edge(drawing, arrow, route, origin)
    for box, lines, size, middle in placed.boxes:
        _box(drawing, box, lines, size, _moved(middle, origin))
    for arrow, route in placed.routes:
        if route.label:
            _label(drawing, arrow, _moved(route.label, origin))
    for entry in placed.legend:
        _entry(drawing, entry)
    return drawing.latex()


def _edge(drawing: Drawing, arrow: Arrow, route: Route, origin: Point) -> None:
    colour = LIGHT["highlight" if arrow.highlighted else "line" if arrow.live else "faint"]
    line, tip = line_and_tip(route)
    drawing.path(_steps(line, origin), stroke=colour, width=3.0 if arrow.highlighted else 1.3)
    x, y = _moved(tip, origin)
    drawing.path(polygon([(x, y), (x - HEAD, y - 3.5), (x - HEAD, y + 3.5)]), fill=colour)


def _steps(commands: Sequence[Command], origin: Point) -> list[Operation]:
    steps: list[Operation] = []
    for letter, points in commands:
        moved = tuple(_moved(point, origin) for point in points)
        steps.append(("L" if letter == "H" else letter, moved))
    return steps


def _box(drawing: Drawing, box: Box, lines: Sequence[Line], size: Size, middle: Point) -> None:
    _outline(drawing, box.role, size, middle, highlighted=box.highlighted)
    for line, baseline in zip(lines, baselines(lines, size), strict=True):
        colour = LIGHT["backward"] if line.kind == "adjoint" else ""
        text = drawing.styled(line.text, line.size, bold=line.kind == "name", colour=colour)
        if line.beside:
            text += rf"\,{{{drawing.styled(line.beside, LABEL_SIZE, colour=LIGHT['soft'])}}}"
        drawing.put(text, _moved((0.0, baseline), middle))


def _outline(
    drawing: Drawing, role: str, size: Size, middle: Point, skew: float = SKEW, *, highlighted: bool = False
) -> None:
    """The shape that says the role."""
    fill = LIGHT.get(role, LIGHT["ground"])
    own = LIGHT["soft"] if role == "input" else LIGHT.get(f"{role}-line", LIGHT["line"])
    stroke, width = (LIGHT["highlight"], 3.0) if highlighted else (own, 1.2)
    if role == "input":
        corners = [_moved(corner, middle) for corner in slanted(size, skew)]
        drawing.path(polygon(corners), stroke, fill, width)
        return
    first, *inner = frames(role, size)
    dash = "3 2.5" if role == "inserted" and not highlighted else ""
    drawing.path(rounded(middle, first.half_width, first.half_height, first.radius), stroke, fill, width, dash)
    for frame in inner:
        drawing.path(rounded(middle, frame.half_width, frame.half_height, frame.radius), own)


def _label(drawing: Drawing, arrow: Arrow, middle: Point) -> None:
    size = label_size(arrow)
    assert size is not None
    frame = rounded(middle, size.width / 2, size.height / 2, 3.0)
    stroke, width = (LIGHT["highlight"], 1.2) if arrow.highlighted else (LIGHT["faint"], 0.6)
    drawing.path(frame, stroke, LIGHT["ground"], width)
    drawing.words(arrow.label, _moved((0.0, 4.0), middle), LABEL_SIZE, colour=LIGHT["backward"])


def _entry(drawing: Drawing, entry: Entry) -> None:
    """An entry of the legend: a small example, and a word."""
    at = (entry.x, entry.y)
    if entry.kind == "highlighted":
        drawing.path(polyline([at, _moved((20.0, 0.0), at)]), LIGHT["highlight"], width=3.0)
    elif entry.kind:
        _outline(drawing, entry.kind, SAMPLE, _moved((SAMPLE.width / 2, 0.0), at), SAMPLE_SKEW)
    drawing.words(entry.text, _moved((27.0 if entry.kind else 0.0, 4.0), at), LABEL_SIZE, "start")


def _moved(point: Point, by: Point) -> Point:
    return point[0] + by[0], point[1] + by[1]
