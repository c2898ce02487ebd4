"""A picture of a graph in matplotlib's axes: placed, shaped and coloured as the SVG is, in light."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyBboxPatch, Patch, PathPatch, Polygon
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

from symgrad.renderers.layered import HEAD, Point, Route, Size
from symgrad.renderers.picture import Arrow, Box, Picture
from symgrad.renderers.placed import (
    LABEL_SIZE,
    SAMPLE,
    SAMPLE_SKEW,
    SKEW,
    Command,
    Entry,
    Frame,
    Line,
    baselines,
    frames,
    label_size,
    line_and_tip,
    place,
    slanted,
)
from symgrad.renderers.svg_style import LIGHT, MARGIN

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PIXELS = 96.0
"""Of the SVG in an inch."""

LONGEST = 100.0
"""A figure's longer side in inches at most; a larger graph is drawn smaller."""

_FONT = "DejaVu Sans"  # matplotlib brings it along, and the boxes are measured for it


def inches(picture: Picture) -> tuple[float, float]:
    """The size of a figure in which a picture has the size of its SVG."""
    placed = place(picture)
    scale = min(1.0, LONGEST * PIXELS / max(placed.width, placed.height)) / PIXELS
    return placed.width * scale, placed.height * scale


def draw_picture(picture: Picture, ax: Axes) -> Axes:
    """Draw a picture into axes, which become as large as it and lose their frame and ticks.

    Text is drawn as outlines, so that it scales with the axes and stays within its box.
    """
    placed = place(picture)
    pen = _Pen(ax, placed.left, MARGIN)
    for arrow, route in reversed(placed.routes):
        pen.edge(arrow, route)
    for box in placed.boxes:
        pen.box(*box)
    for arrow, route in placed.routes:
        if route.label:
            pen.label(arrow, route.label)
    for entry in placed.legend:
        _Pen(ax, entry.x, entry.y).entry(entry)
    ax.set(xlim=(0, placed.width), ylim=(placed.height, 0), aspect="equal")
    ax.set_axis_off()
    return ax


class _Pen:
    """Draws with its own origin, in pixels, y downwards; what is drawn later lies above."""

    def __init__(self, ax: Axes, x: float, y: float) -> None:
        self.ax, self.x, self.y = ax, x, y

    def moved(self, x: float, y: float) -> _Pen:
        return _Pen(self.ax, self.x + x, self.y + y)

    def add(self, patch: Patch) -> None:
        self.ax.add_patch(patch)

    def path(self, commands: Sequence[Command], **style: Any) -> None:
        """A line of horizontal pieces and curves."""
        codes = {"M": Path.MOVETO, "H": Path.LINETO, "C": Path.CURVE4}
        points = [(self.x + x, self.y + y) for _, part in commands for x, y in part]
        kinds = [codes[letter] for letter, part in commands for _ in part]
        self.add(PathPatch(Path(points, kinds), fill=False, capstyle="butt", **style))

    def polygon(self, points: Sequence[Point], **style: Any) -> None:
        self.add(Polygon([(self.x + x, self.y + y) for x, y in points], closed=True, **style))

    def frame(self, frame: Frame, **style: Any) -> None:
        """A rectangle with round corners around the origin."""
        corner = (self.x - frame.half_width, self.y - frame.half_height)
        shape = f"round,pad=0,rounding_size={frame.radius}"
        self.add(FancyBboxPatch(corner, 2 * frame.half_width, 2 * frame.half_height, boxstyle=shape, **style))

    def text(self, text: str, x: float, y: float, size: float, colour: str, weight: str = "normal") -> float:
        """Outlines of letters from (x, y) on; their width."""
        outline = _outlines(text, size, weight)
        turned = Affine2D().scale(1, -1).translate(self.x + x, self.y + y)
        self.add(PathPatch(outline.transformed(turned), facecolor=colour, linewidth=0))
        return _width(outline)

    # what a picture has

    def edge(self, arrow: Arrow, route: Route) -> None:
        colour = LIGHT["highlight" if arrow.highlighted else "line" if arrow.live else "faint"]
        line, (x, y) = line_and_tip(route)
        self.path(line, edgecolor=colour, linewidth=_points(3 if arrow.highlighted else 1.3))
        self.polygon([(x, y), (x - HEAD, y - 3.5), (x - HEAD, y + 3.5)], facecolor=colour, linewidth=0)

    def box(self, box: Box, lines: Sequence[Line], size: Size, middle: Point) -> None:
        pen = self.moved(*middle)
        pen.outline(box.role, size, box.highlighted)
        for line, baseline in zip(lines, baselines(lines, size), strict=True):
            pen.line(line, baseline)

    def outline(self, role: str, size: Size, highlighted: bool = False, skew: float = SKEW) -> None:
        """The shape that says the role."""
        ground = LIGHT.get(role, LIGHT["ground"])
        colour = LIGHT.get(f"{role}-line", LIGHT["soft" if role == "input" else "line"])
        style: dict[str, Any] = {"facecolor": ground, "edgecolor": colour, "linewidth": _points(1.2)}
        if highlighted:
            style |= {"edgecolor": LIGHT["highlight"], "linewidth": _points(3)}
        elif role == "inserted":
            style["linestyle"] = (0, (3, 2.5))
        if role == "input":
            self.polygon(slanted(size, skew), **style)
            return
        first, *inner = frames(role, size)
        self.frame(first, **style)
        for frame in inner:
            self.frame(frame, fill=False, edgecolor=LIGHT["output-line"], linewidth=_points(1))

    def line(self, line: Line, baseline: float) -> None:
        """A line of a box, in its middle; a shape stands small beside it."""
        weight, colour = "bold" if line.kind == "name" else "normal", LIGHT["ink"]
        if line.kind == "adjoint":
            colour = LIGHT["backward"]
        beside = 4.0 + _width(_outlines(line.beside, LABEL_SIZE)) if line.beside else 0.0
        start = -(_width(_outlines(line.text, line.size, weight)) + beside) / 2
        end = start + self.text(line.text, start, baseline, line.size, colour, weight)
        if line.beside:
            self.text(line.beside, end + 4.0, baseline, LABEL_SIZE, LIGHT["soft"])

    def label(self, arrow: Arrow, middle: Point) -> None:
        size = label_size(arrow)
        assert size is not None
        pen, lit = self.moved(*middle), arrow.highlighted
        colour, width = LIGHT["highlight" if lit else "faint"], _points(1.2 if lit else 0.6)
        ground = LIGHT["ground"]
        pen.frame(Frame(size.width / 2, size.height / 2, 3.0), facecolor=ground, edgecolor=colour, linewidth=width)
        start = -_width(_outlines(arrow.label, LABEL_SIZE)) / 2
        pen.text(arrow.label, start, 4.0, LABEL_SIZE, LIGHT["backward"])

    def entry(self, entry: Entry) -> None:
        """An entry of the legend: a small example, and a word."""
        if entry.kind == "highlighted":
            self.path([("M", ((0.0, 0.0),)), ("H", ((20.0, 0.0),))], edgecolor=LIGHT["highlight"], linewidth=_points(3))
        elif entry.kind:
            self.moved(SAMPLE.width / 2, 0.0).outline(entry.kind, SAMPLE, skew=SAMPLE_SKEW)
        self.text(entry.text, 27.0 if entry.kind else 0.0, 4.0, LABEL_SIZE, LIGHT["ink"])


def _points(pixels: float) -> float:
    """The width of a line in points, where a picture has the size of its SVG."""
    return pixels * 72 / PIXELS


def _outlines(text: str, size: float, weight: str = "normal") -> TextPath:
    """The letters of a text as paths, baseline at 0, y upwards."""
    return TextPath((0, 0), text, size=size, prop=FontProperties(family=_FONT, weight=weight))


def _width(outline: Path) -> float:
    """How far letters reach to the right."""
    return float(outline.get_extents().x1)
