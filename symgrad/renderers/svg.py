"""A picture as SVG: self-contained, without script, readable in light and dark, on paper and on a phone.

The background is none, so the picture sits on any page; boxes and edge labels have grounds of their own. A page may
show it inline: every rule of its style is bound to its own class, `symgrad-graph`, each node is a group with the id
`node-…` and its role as a class, and each edge has its ends in `data-from` and `data-to`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from symgrad.renderers.layered import HEAD, Point, Route, Size
from symgrad.renderers.picture import Arrow, Box, Picture, node_id
from symgrad.renderers.placed import (
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
from symgrad.renderers.svg_style import MARGIN, STYLE


def to_svg(picture: Picture) -> str:
    """The picture in SVG."""
    placed = place(picture)
    return "\n".join(
        [
            *_head(picture, placed.width, placed.height),
            f'<g transform="translate({_n(placed.left)} {_n(MARGIN)})">',
            '<g class="edges">',
            *(_edge(arrow, route) for arrow, route in reversed(placed.routes)),
            "</g>",
            '<g class="nodes">',
            *(_node(*box) for box in placed.boxes),
            "</g>",
            '<g class="labels">',
            *(_label(arrow, route.label) for arrow, route in placed.routes if route.label),
            "</g>",
            "</g>",
            '<g class="legend">',
            *map(_entry, placed.legend),
            "</g>",
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


def _node(box: Box, lines: Sequence[Line], size: Size, middle: Point) -> str:
    x, y = middle
    lit = " highlighted" if box.highlighted else ""
    parts = [f'<g id="{node_id(box.name)}" class="node {box.role}{lit}" transform="translate({_n(x)} {_n(y)})">']
    parts.append(f"<title>{escaped(_in_full(box))}</title>")
    parts += _outline(box.role, size)
    for line, baseline in zip(lines, baselines(lines, size), strict=True):
        beside = f'<tspan class="shape" dx="4">{escaped(line.beside)}</tspan>' if line.beside else ""
        style = f' font-size="{_n(line.size)}"'
        parts.append(f'<text class="{line.kind}" y="{_n(baseline)}"{style}>{escaped(line.text)}{beside}</text>')
    return "".join([*parts, "</g>"])


def _in_full(box: Box) -> str:
    head = f"{box.title} {box.shape}".rstrip() + (f" = {box.definition}" if box.definition else "")
    return "\n".join(filter(None, (head, box.value, box.adjoint)))


def _outline(role: str, size: Size, skew: float = SKEW) -> list[str]:
    """The shape says the role: slanted is an input, round a parameter, doubly framed the output."""
    if role == "input":
        return [f'<path class="box" d="M{"L".join(f"{_n(x)} {_n(y)}" for x, y in slanted(size, skew))}Z"/>']
    return [
        f'<rect class="{"frame" if i else "box"}" x="{_n(-f.half_width)}" y="{_n(-f.half_height)}" '
        f'width="{_n(2 * f.half_width)}" height="{_n(2 * f.half_height)}" rx="{_n(f.radius)}"/>'
        for i, f in enumerate(frames(role, size))
    ]


# edges


def _edge(arrow: Arrow, route: Route) -> str:
    kinds = ["edge", "live" if arrow.live else "faint", *(["highlighted"] if arrow.highlighted else [])]
    title = f"<title>{escaped(arrow.told)}</title>" if arrow.told else ""
    line, (x, y) = line_and_tip(route)
    head = f"M{_n(x)} {_n(y)}l{_n(-HEAD)} -3.5v7z"
    return (
        f'<g class="{" ".join(kinds)}" data-from="{node_id(arrow.parent)}" data-to="{node_id(arrow.child)}">{title}'
        f'<path class="line" d="{"".join(map(_command, line))}"/><path class="head" d="{head}"/></g>'
    )


def _command(command: Command) -> str:
    letter, points = command
    if letter == "H":
        return f"H{_n(points[-1][0])}"
    return letter + " ".join(f"{_n(x)} {_n(y)}" for x, y in points)


def _label(arrow: Arrow, middle: Point) -> str:
    size = label_size(arrow)
    assert size is not None
    lit = " highlighted" if arrow.highlighted else ""
    return (
        f'<g class="label{lit}" transform="translate({_n(middle[0])} {_n(middle[1])})">'
        f"<title>{escaped(arrow.told)}</title>"
        f'<rect x="{_n(-size.width / 2)}" y="{_n(-size.height / 2)}" width="{_n(size.width)}" '
        f'height="{_n(size.height)}" rx="3"/><text y="4">{escaped(arrow.label)}</text></g>'
    )


# the legend


def _entry(entry: Entry) -> str:
    """A small example and a word."""
    words = f'<text x="{27 if entry.kind else 0}" y="4">{escaped(entry.text)}</text>'
    sample = ""
    if entry.kind == "highlighted":
        sample = '<g class="edge highlighted"><path class="line" d="M0 0H20"/></g>'
    elif entry.kind:
        outline = "".join(_outline(entry.kind, SAMPLE, SAMPLE_SKEW))
        sample = f'<g class="node {entry.kind}" transform="translate(10.5 0)">{outline}</g>'
    return f'<g transform="translate({_n(entry.x)} {_n(entry.y)})">{sample}{words}</g>'


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
