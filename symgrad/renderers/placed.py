"""Where the parts of a picture stand, how large they are and how they are shaped, whoever draws them.

Lengths are in pixels of an SVG; y runs downwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from symgrad.renderers.layered import HEAD, Layout, Link, Point, Route, Run, Size, arrange
from symgrad.renderers.picture import ROLES, Arrow, Box, Picture
from symgrad.renderers.svg_style import MARGIN
from symgrad.renderers.text_width import BOLD, shortened, text_width, wrapped

WIDEST = 165.0
"""Text in a box is wrapped at this width."""

WIDEST_NAME = 300.0
"""A name, which is not wrapped, is cut at this width."""

MOST_LINES = 4
"""A text that needs more lines is cut; it stands in full in the box's tooltip."""

LABEL_SIZE = 11.0
"""The size of the text on edges, in pixels."""

NARROWEST = 300.0
"""The legend may be this wide even where the graph is narrower."""

SKEW = 9.0
"""How far an input's sides slant."""

SAMPLE, SAMPLE_SKEW = Size(21.0, 13.0), 3.5
"""A box in the legend."""

Command: TypeAlias = tuple[Literal["M", "H", "C"], tuple[Point, ...]]
"""Move, a horizontal line, or a cubic Bézier curve, with its control points and its end."""


@dataclass(frozen=True)
class Line:
    """One line of text in a box.

    Args:
        kind: `name`, `formula`, `value` or `adjoint`.
        text: the line.
        size: of its letters.
        beside: a shape, in small letters after it.
    """

    kind: str
    text: str
    size: float
    beside: str = ""

    @property
    def width(self) -> float:
        """At least the room it needs."""
        gap = text_width(f" {self.beside}", LABEL_SIZE) if self.beside else 0.0
        return text_width(self.text, self.size, bold=self.kind == "name") + gap

    @property
    def height(self) -> float:
        """From one baseline to the next."""
        return self.size + 5.0


@dataclass(frozen=True)
class Frame:
    """A rectangle around a box's middle: half its width, half its height, and the radius of its corners."""

    half_width: float
    half_height: float
    radius: float


@dataclass(frozen=True)
class Entry:
    """An entry of the legend: what it shows an example of, a word, and the middle of its left side."""

    kind: str
    text: str
    x: float
    y: float


@dataclass(frozen=True)
class Placed:
    """A picture with everything in its place; the graph's own origin is at `left`, `MARGIN`.

    Args:
        boxes: each box with its lines of text, its size and its middle.
        routes: each arrow with its route, those in front first.
        legend: its entries.
        left: how far from the left the graph begins.
        width: of the whole.
        height: of the whole.
    """

    boxes: tuple[tuple[Box, tuple[Line, ...], Size, Point], ...]
    routes: tuple[tuple[Arrow, Route], ...]
    legend: tuple[Entry, ...]
    left: float
    width: float
    height: float


def place(picture: Picture) -> Placed:
    """Lay a picture out."""
    told = [_lines(box) for box in picture.boxes]
    sizes = [_size(box, lines) for box, lines in zip(picture.boxes, told, strict=True)]
    position = {box.name: i for i, box in enumerate(picture.boxes)}
    arrows = sorted(picture.arrows, key=lambda arrow: (not arrow.highlighted, not arrow.live))
    links = [Link(position[a.parent], position[a.child], label_size(a)) for a in arrows]
    slanted = {i: SKEW / 2 for i, box in enumerate(picture.boxes) if box.role == "input"}
    layout = arrange(sizes, links, slanted)
    legend, width, height = _legend(picture, layout)
    return Placed(
        tuple(zip(picture.boxes, told, sizes, layout.items, strict=True)),
        tuple(zip(arrows, layout.routes, strict=True)),
        legend,
        (width - layout.width) / 2,
        width,
        height,
    )


# boxes


def _lines(box: Box) -> tuple[Line, ...]:
    """The text of a box; what is wider than a box may be is wrapped."""
    small = box.role == "inserted"
    if small and not box.definition:
        lines = [Line("formula", text, 11.0) for text in wrapped(box.title, WIDEST, 11.0, MOST_LINES)]
    else:
        size = 12.0 if small else 14.0
        lines = [Line("name", shortened(box.title, WIDEST_NAME / BOLD, size), size)]
    if box.shape:
        lines[-1] = Line(lines[-1].kind, lines[-1].text, lines[-1].size, box.shape)
    size = 11.0 if small else 12.0
    for kind, text in (("formula", box.definition), ("value", box.value), ("adjoint", box.adjoint)):
        first, *others = wrapped(text, WIDEST, size, MOST_LINES)
        if first:
            first = f"= {first}" if kind == "formula" else first  # the sign stands on no line of its own
            lines += [Line(kind, part, size) for part in (first, *others)]
    return tuple(lines)


def _size(box: Box, lines: Sequence[Line]) -> Size:
    aside = {"input": SKEW, "parameter": 4.0, "output": 3.0}.get(box.role, 0.0)
    width = max(line.width for line in lines) + 2 * (8.0 + aside)
    return Size(float(round(max(width, 44.0))), sum(line.height for line in lines) + 11.0)


def baselines(lines: Sequence[Line], size: Size) -> list[float]:
    """The height of each line's baseline, from the middle of its box."""
    found, below = [], -size.height / 2 + 4.0
    for line in lines:
        below += line.height
        found.append(below - 3.0)
    return found


def slanted(size: Size, skew: float = SKEW) -> tuple[Point, ...]:
    """The corners of an input's box, around its middle."""
    w, h = size.width / 2, size.height / 2
    return ((-w + skew, -h), (w, -h), (w - skew, h), (-w, h))


def frames(role: str, size: Size) -> list[Frame]:
    """The rectangles of any other box: round is a parameter, doubly framed the output."""
    w, h = size.width / 2, size.height / 2
    inner = [Frame(w - 3.0, h - 3.0, 1.5)] if role == "output" else []
    return [Frame(w, h, min(h, 17.0) if role == "parameter" else 3.0), *inner]


# edges


def label_size(arrow: Arrow) -> Size | None:
    """The room an edge's label takes up, if it has one."""
    if not arrow.label:
        return None
    return Size(float(round(text_width(arrow.label, LABEL_SIZE) + 9.0)), LABEL_SIZE + 6.0)


def line_and_tip(route: Route) -> tuple[list[Command], Point]:
    """The line of an edge, and the point of its head, which is `HEAD` long."""
    *runs, (start, end, y) = route.runs
    return _commands([*runs, (start, end - HEAD + 1.0, y)]), (end, y)


def _commands(runs: Sequence[Run]) -> list[Command]:
    """Horizontal runs, joined by curves; where a run is but a point, the edge passes it on its way up or down."""
    slopes = [0.0, *(_slope(*three) for three in zip(runs, runs[1:], runs[2:], strict=False)), 0.0]
    made: list[Command] = [("M", ((runs[0][0], runs[0][2]),))]
    for position, (start, end, y) in enumerate(runs):
        if position:
            _, x, level = runs[position - 1]
            made.append(_curve((x, level), slopes[position - 1], (start, y), slopes[position]))
        if end > start:
            made.append(("H", ((end, y),)))
    return [
        step for step, after in zip(made, [*made[1:], None], strict=True) if after is None or not _goes_on(step, after)
    ]


def _goes_on(step: Command, after: Command) -> bool:
    """Whether a horizontal line is but the beginning of the next one."""
    return step[0] == after[0] == "H"


def _slope(before: Run, here: Run, after: Run) -> float:
    """The slope at a point between two others, such that nothing overshoots; 0 on a horizontal run."""
    if here[1] > here[0]:
        return 0.0
    in_, out = (here[2] - before[2]) / (here[0] - before[1]), (after[2] - here[2]) / (after[0] - here[1])
    return 2 * in_ * out / (in_ + out) if in_ * out > 0 else 0.0


def _curve(start: Point, slope: float, end: Point, slope_at_end: float) -> Command:
    """From one point to another, with these slopes."""
    if start[1] == end[1] and not slope and not slope_at_end:
        return ("H", (end,))
    reach = [(end[0] - start[0]) * (0.35 if s else 0.5) for s in (slope, slope_at_end)]
    first = (start[0] + reach[0], start[1] + slope * reach[0])
    return ("C", (first, (end[0] - reach[1], end[1] - slope_at_end * reach[1]), end))


# the legend


def _legend(picture: Picture, layout: Layout) -> tuple[tuple[Entry, ...], float, float]:
    """The lines below the graph, and the size of the whole."""
    entries: list[tuple[str, str]] = []
    if picture.highlight:
        entries.append(("highlighted", f"highlighted: {picture.highlight}"))
    used = {box.role for box in picture.boxes}
    entries += [(role, picture.words[role]) for role in ROLES if role in used]
    entries += [("", remark) for remark in picture.remarks]
    widest = max([NARROWEST, layout.width, *(_entry_width(*entry) for entry in entries)])
    placed, x, y, reached = [], 0.0, 0.0, 0.0
    for kind, text in entries:
        width = _entry_width(kind, text)
        if x and x + width > widest:
            x, y = 0.0, y + 20.0
        placed.append(Entry(kind, text, x + MARGIN, layout.height + 2 * MARGIN + 14.0 + y))
        reached = max(reached, x + width)
        x += width + 16.0
    width = max(layout.width, reached) + 2 * MARGIN
    return tuple(placed), width, layout.height + 3 * MARGIN + 14.0 + y


def _entry_width(kind: str, text: str) -> float:
    return text_width(text, LABEL_SIZE) + (27.0 if kind else 0.0)
