"""A picture as SVG: self-contained, without script, readable in light and dark, on paper and on a phone.

The background is none, so the picture sits on any page; boxes and edge labels have grounds of their own. A page may
show it inline: every rule of its style is bound to its own class, `symgrad-graph`, each node is a group with the id
`node-…` and its role as a class, and each edge has its ends in `data-from` and `data-to`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from symgrad.renderers.layered import HEAD, Layout, Link, Point, Route, Run, Size, arrange
from symgrad.renderers.picture import ROLES, Arrow, Box, Picture, node_id
from symgrad.renderers.svg_style import MARGIN, STYLE
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


@dataclass(frozen=True)
class _Line:
    """One line of text in a box."""

    kind: str
    text: str
    size: float
    beside: str = ""

    @property
    def width(self) -> float:
        gap = text_width(f" {self.beside}", LABEL_SIZE) if self.beside else 0.0
        return text_width(self.text, self.size, bold=self.kind == "name") + gap

    @property
    def height(self) -> float:
        return self.size + 5.0


def to_svg(picture: Picture) -> str:
    """The picture in SVG."""
    told = [_lines(box) for box in picture.boxes]
    sizes = [_size(box, lines) for box, lines in zip(picture.boxes, told, strict=True)]
    place = {box.name: i for i, box in enumerate(picture.boxes)}
    arrows = sorted(picture.arrows, key=lambda arrow: (not arrow.highlighted, not arrow.live))
    links = [Link(place[a.parent], place[a.child], _label_size(a)) for a in arrows]
    slanted = {i: SKEW / 2 for i, box in enumerate(picture.boxes) if box.role == "input"}
    layout = arrange(sizes, links, slanted)
    legend, width, height = _legend(picture, layout)
    routed = list(zip(arrows, layout.routes, strict=True))
    return "\n".join(
        [
            *_head(picture, width, height),
            f'<g transform="translate({_n((width - layout.width) / 2)} {_n(MARGIN)})">',
            '<g class="edges">',
            *(_edge(arrow, route) for arrow, route in reversed(routed)),
            "</g>",
            '<g class="nodes">',
            *map(_node, picture.boxes, told, sizes, layout.items),
            "</g>",
            '<g class="labels">',
            *(_label(arrow, route.label) for arrow, route in routed if route.label),
            "</g>",
            "</g>",
            *legend,
            "</svg>",
        ]
    )


def _head(picture: Picture, width: float, height: float) -> list[str]:
    box = f"0 0 {_n(width)} {_n(height)}"
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="symgrad-graph" viewBox="{box}" width="{_n(width)}" '
        f'height="{_n(height)}" role="img">',
        f"<title>{escaped(picture.title)}</title>",
        f"<desc>{escaped(picture.description)}</desc>",
        f"<style>{STYLE}</style>",
    ]


# nodes


def _lines(box: Box) -> list[_Line]:
    """The text of a box; what is wider than a box may be is wrapped."""
    small = box.role == "inserted"
    if small and not box.definition:
        lines = [_Line("formula", text, 11.0) for text in wrapped(box.title, WIDEST, 11.0, MOST_LINES)]
    else:
        size = 12.0 if small else 14.0
        lines = [_Line("name", shortened(box.title, WIDEST_NAME / BOLD, size), size)]
    if box.shape:
        lines[-1] = _Line(lines[-1].kind, lines[-1].text, lines[-1].size, box.shape)
    size = 11.0 if small else 12.0
    told = {"formula": f"= {box.definition}" if box.definition else "", "value": box.value, "adjoint": box.adjoint}
    for kind, text in told.items():
        lines += [_Line(kind, part, size) for part in wrapped(text, WIDEST, size, MOST_LINES) if part]
    return lines


def _size(box: Box, lines: Sequence[_Line]) -> Size:
    aside = {"input": SKEW, "parameter": 4.0, "output": 3.0}.get(box.role, 0.0)
    width = max(line.width for line in lines) + 2 * (8.0 + aside)
    return Size(float(round(max(width, 44.0))), sum(line.height for line in lines) + 11.0)


def _node(box: Box, lines: Sequence[_Line], size: Size, middle: Point) -> str:
    x, y = middle
    lit = " highlighted" if box.highlighted else ""
    parts = [f'<g id="{node_id(box.name)}" class="node {box.role}{lit}" transform="translate({_n(x)} {_n(y)})">']
    parts.append(f"<title>{escaped(_in_full(box))}</title>")
    parts += _outline(box, size)
    baseline = -size.height / 2 + 4.0
    for line in lines:
        baseline += line.height
        beside = f'<tspan class="shape" dx="4">{escaped(line.beside)}</tspan>' if line.beside else ""
        style = f' font-size="{_n(line.size)}"'
        parts.append(f'<text class="{line.kind}" y="{_n(baseline - 3.0)}"{style}>{escaped(line.text)}{beside}</text>')
    return "".join([*parts, "</g>"])


def _in_full(box: Box) -> str:
    head = f"{box.title} {box.shape}".rstrip() + (f" = {box.definition}" if box.definition else "")
    return "\n".join(filter(None, (head, box.value, box.adjoint)))


def _outline(box: Box, size: Size) -> list[str]:
    """The shape says the role: slanted is an input, round a parameter, doubly framed the output."""
    w, h = size.width / 2, size.height / 2
    if box.role == "input":
        points = ((-w + SKEW, -h), (w, -h), (w - SKEW, h), (-w, h))
        return [f'<path class="box" d="M{"L".join(f"{_n(x)} {_n(y)}" for x, y in points)}Z"/>']
    radius = min(h, 17.0) if box.role == "parameter" else 3.0
    frames = [(w, h, radius)] + ([(w - 3.0, h - 3.0, 1.5)] if box.role == "output" else [])
    return [
        f'<rect class="{"frame" if i else "box"}" x="{_n(-a)}" y="{_n(-b)}" width="{_n(2 * a)}" height="{_n(2 * b)}" '
        f'rx="{_n(r)}"/>'
        for i, (a, b, r) in enumerate(frames)
    ]


# edges


def _label_size(arrow: Arrow) -> Size | None:
    if not arrow.label:
        return None
    return Size(float(round(text_width(arrow.label, LABEL_SIZE) + 9.0)), LABEL_SIZE + 6.0)


def _edge(arrow: Arrow, route: Route) -> str:
    kinds = ["edge", "live" if arrow.live else "faint", *(["highlighted"] if arrow.highlighted else [])]
    title = f"<title>{escaped(arrow.told)}</title>" if arrow.told else ""
    *runs, (start, end, y) = route.runs
    head = f"M{_n(end)} {_n(y)}l{_n(-HEAD)} -3.5v7z"
    return (
        f'<g class="{" ".join(kinds)}" data-from="{node_id(arrow.parent)}" data-to="{node_id(arrow.child)}">{title}'
        f'<path class="line" d="{_path([*runs, (start, end - HEAD + 1.0, y)])}"/><path class="head" d="{head}"/></g>'
    )


def _path(runs: Sequence[Run]) -> str:
    """Horizontal runs, joined by curves; where a run is but a point, the edge passes it on its way up or down."""
    slopes = [0.0, *(_slope(*three) for three in zip(runs, runs[1:], runs[2:], strict=False)), 0.0]
    commands = [f"M{_n(runs[0][0])} {_n(runs[0][2])}"]
    for position, (start, end, y) in enumerate(runs):
        if position:
            _, x, level = runs[position - 1]
            commands.append(_curve((x, level), slopes[position - 1], (start, y), slopes[position]))
        if end > start:
            commands.append(f"H{_n(end)}")
    return re.sub(r"(?:H[\d.-]+)+(H[\d.-]+)", r"\1", "".join(commands))


def _slope(before: Run, here: Run, after: Run) -> float:
    """The slope at a point between two others, such that nothing overshoots; 0 on a horizontal run."""
    if here[1] > here[0]:
        return 0.0
    in_, out = (here[2] - before[2]) / (here[0] - before[1]), (after[2] - here[2]) / (after[0] - here[1])
    return 2 * in_ * out / (in_ + out) if in_ * out > 0 else 0.0


def _curve(start: Point, slope: float, end: Point, slope_at_end: float) -> str:
    """From one point to another, with these slopes."""
    if start[1] == end[1] and not slope and not slope_at_end:
        return f"H{_n(end[0])}"
    reach = [(end[0] - start[0]) * (0.35 if s else 0.5) for s in (slope, slope_at_end)]
    points = (
        (start[0] + reach[0], start[1] + slope * reach[0]),
        (end[0] - reach[1], end[1] - slope_at_end * reach[1]),
        end,
    )
    return "C" + " ".join(f"{_n(x)} {_n(y)}" for x, y in points)


def _label(arrow: Arrow, middle: Point) -> str:
    size = _label_size(arrow)
    assert size is not None
    lit = " highlighted" if arrow.highlighted else ""
    return (
        f'<g class="label{lit}" transform="translate({_n(middle[0])} {_n(middle[1])})">'
        f"<title>{escaped(arrow.told)}</title>"
        f'<rect x="{_n(-size.width / 2)}" y="{_n(-size.height / 2)}" width="{_n(size.width)}" '
        f'height="{_n(size.height)}" rx="3"/><text y="4">{escaped(arrow.label)}</text></g>'
    )


# the legend


def _legend(picture: Picture, layout: Layout) -> tuple[list[str], float, float]:
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
        placed.append(_entry(kind, text, x + MARGIN, layout.height + 2 * MARGIN + 14.0 + y))
        reached = max(reached, x + width)
        x += width + 16.0
    width = max(layout.width, reached) + 2 * MARGIN
    return ['<g class="legend">', *placed, "</g>"], width, layout.height + 3 * MARGIN + 14.0 + y


def _entry_width(kind: str, text: str) -> float:
    return text_width(text, LABEL_SIZE) + (27.0 if kind else 0.0)


def _entry(kind: str, text: str, x: float, y: float) -> str:
    """A small example and a word."""
    words = f'<text x="{27 if kind else 0}" y="4">{escaped(text)}</text>'
    sample = ""
    if kind == "highlighted":
        sample = '<g class="edge highlighted"><path class="line" d="M0 0H20"/></g>'
    elif kind:
        outline = _outline(Box("", kind, ""), Size(21.0, 13.0))  # type: ignore[arg-type]  # the other kinds are roles
        small = "".join(outline) if kind != "input" else '<path class="box" d="M-7 -6.5L10.5 -6.5L7 6.5L-10.5 6.5Z"/>'
        sample = f'<g class="node {kind}" transform="translate(10.5 0)">{small}</g>'
    return f'<g transform="translate({_n(x)} {_n(y)})">{sample}{words}</g>'


def escaped(text: str) -> str:
    """Text for XML, in an element or in an attribute; what XML has no place for becomes a replacement character."""
    text = re.sub("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;")):
        text = text.replace(character, entity)
    return text


def _n(value: float) -> str:
    """A coordinate, to a tenth of a pixel."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text
