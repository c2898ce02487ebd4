"""Plots as SVG files that carry their own ground, so that they are read on a light page and on a dark one.

Every axis is logarithmic: what is plotted are ratios.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LEFT, RIGHT, TOP = 680, 84, 24, 42
ROW, HEIGHT, LEGEND = 26, 300, 24
LIGHT = ("#1f6fd0", "#c2410c", "#15803d", "#7c3aed", "#b4236b", "#0f766e")
DARK = ("#6cb0ff", "#ff9d66", "#5bc27a", "#b79cff", "#ff8fc0", "#5fd3c7")
DASHES = ("none", "7 3", "2 3", "9 3 2 3", "4 2", "1 2")

Points = Sequence[tuple[float, float]]


def _coloured(colours: Sequence[str]) -> str:
    return "".join(f".s{i}{{stroke:{c}}}.f{i}{{fill:{c}}}" for i, c in enumerate(colours))


STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2328}.ground{fill:#fff}.title{font-weight:600}"
    ".grid{stroke:#1f2328;stroke-opacity:.15}.one{stroke:#1f2328;stroke-opacity:.7;stroke-dasharray:3 3}"
    f".line{{fill:none;stroke-width:2}}{_coloured(LIGHT)}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.ground{fill:#15191f}.grid,.one{stroke:#e6edf3}"
    f"{_coloured(DARK)}}}"
)


@dataclass(frozen=True)
class _Scale:
    """From a positive value to its place."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (self.end - self.start) * (math.log10(value) - self.low) / (self.high - self.low)

    @property
    def decades(self) -> list[int]:
        """The powers of ten to write at the axis, seven at most."""
        low, high = round(self.low), round(self.high)
        return list(range(low, high + 1, (high - low) // 7 + 1))


def _scale(values: Sequence[float], start: float, end: float) -> _Scale:
    low = math.floor(math.log10(min(values)) + 1e-9)
    return _Scale(low, max(math.ceil(math.log10(max(values)) - 1e-9), low + 1), start, end)


def bars(title: str, groups: Mapping[str, Sequence[tuple[str, float]]], unit: str) -> str:
    """Horizontal bars from 1, each with its number; a line stands at 1.

    Args:
        title: what is shown.
        groups: for each heading its bars; an empty heading is left out.
        unit: what the numbers are times of.
    """
    values = [value for items in groups.values() for _, value in items]
    names = list(dict.fromkeys(label for items in groups.values() for label, _ in items))
    left = 24 + 7.4 * max(len(name) for name in names)
    scale = _scale([*values, 1.0], left, WIDTH - 90)
    parts, y = [], float(TOP)
    for heading, items in groups.items():
        if heading:
            parts.append(f'<text class="title" x="16" y="{y + 18:g}">{escape(heading)}</text>')
            y += ROW
        for label, value in items:
            first, last = sorted((scale(1.0), scale(value)))
            parts.append(f'<text x="{left - 8:g}" y="{y + 16:g}" text-anchor="end">{escape(label)}</text>')
            colour = names.index(label) % len(LIGHT) if len(groups) > 1 else 0
            parts.append(_box(first, y + 4, max(last - first, 1.5), ROW - 9, f"f{colour}"))
            parts.append(f'<text x="{last + 6:.1f}" y="{y + 16:g}">{number(value)}</text>')
            y += ROW
        y += 6 if heading else 0
    one = f'<path class="one" d="M{scale(1.0):.1f} {TOP}V{y:g}"/>'
    told = "; ".join(f"{h + ', ' if h else ''}{label} {number(v)}" for h, items in groups.items() for label, v in items)
    foot = f'<text x="{scale(1.0):.1f}" y="{y + 18:g}" text-anchor="middle">1 = {escape(unit)}</text>'
    return _svg(title, told, y + 30, [*parts, one, foot])


def curves(title: str, x_label: str, y_label: str, lines: Mapping[str, Points]) -> str:
    """Lines over a common axis, both logarithmic."""
    shown = {name: points for name, points in lines.items() if points}
    x_axis = _span([x for points in shown.values() for x, _ in points], LEFT, WIDTH - RIGHT)
    bottom = TOP + HEIGHT
    y_axis = _scale([y for points in shown.values() for _, y in points], bottom, TOP)
    parts = []
    for decade in y_axis.decades:
        y = y_axis(10.0**decade)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{number(10.0**decade)}</text>')
    xs = sorted({x for points in shown.values() for x, _ in points})
    for x in xs if len(xs) <= 12 else xs[::2]:
        parts.append(f'<path class="grid" d="M{x_axis(x):.1f} {TOP}V{bottom}"/>')
        parts.append(f'<text x="{x_axis(x):.1f}" y="{bottom + 18}" text-anchor="middle">{number(x)}</text>')
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2:g}" y="{bottom + 38}" text-anchor="middle">{escape(x_label)}</text>'
    )
    turned = f'transform="translate(20 {TOP + HEIGHT / 2:g}) rotate(-90)" text-anchor="middle"'
    parts.append(f"<text {turned}>{escape(y_label)}</text>")
    y, x = float(bottom + 62), float(LEFT)
    for i, (name, points) in enumerate(shown.items()):
        parts += _line(i, [(x_axis(a), y_axis(b)) for a, b in points])
        width = 44 + 7.6 * len(name)
        if x + width > WIDTH - RIGHT:
            x, y = float(LEFT), y + LEGEND
        parts.append(f'<path class="line s{i}" stroke-dasharray="{DASHES[i]}" d="M{x:g} {y - 4:g}h24"/>')
        parts.append(f'<text x="{x + 30:g}" y="{y:g}">{escape(name)}</text>')
        x += width
    told = "; ".join(f"{name} from {_told(points[0])} to {_told(points[-1])}" for name, points in shown.items())
    return _svg(title, f"{y_label}, by {x_label}: {told}", y + 16, parts)


def _told(point: tuple[float, float]) -> str:
    return f"{number(point[1])} at {number(point[0])}"


def _span(values: Sequence[float], start: float, end: float) -> _Scale:
    """A scale from the smallest value to the largest, with some room."""
    low, high = math.log10(min(values)), math.log10(max(values))
    room = 0.03 * (high - low)
    return _Scale(low - room, high + room, start, end)


def _line(number_: int, places: Points) -> list[str]:
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    dots = [f'<circle class="f{number_}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in places]
    return [f'<path class="line s{number_}" stroke-dasharray="{DASHES[number_]}" d="M{path}"/>', *dots]


def _box(x: float, y: float, width: float, height: float, kind: str) -> str:
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:g}" width="{width:.1f}" height="{height:g}" rx="2"/>'


def _svg(title: str, description: str, height: float, parts: Sequence[str]) -> str:
    size = f'width="{WIDTH}" height="{height:g}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" {size} role="img">'
    return "\n".join(
        [
            head,
            f"<title>{escape(title)}</title>",
            f"<desc>{escape(description)}</desc>",
            f"<style>{STYLE}</style>",
            f'<rect class="ground" {size} rx="8"/>',
            f'<text class="title" x="16" y="26">{escape(title)}</text>',
            *parts,
            "</svg>",
            "",
        ]
    )


def number(value: float) -> str:
    """Three digits, thousands set apart."""
    if value >= 100:
        digits = 10 ** max(0, math.floor(math.log10(value)) - 2)
        return f"{round(value / digits) * digits:,.0f}"
    return f"{float(f'{value:.2g}'):.10f}".rstrip("0").rstrip(".") if value < 1 else f"{float(f'{value:.3g}'):g}"
