"""Line charts: axes with ticks, a legend, a title that can be read out; as inline SVG, coloured by the page's style."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from symgrad.renderers.mathml_pieces import escaped
from symgrad.renderers.values import short

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 80, 16, 14, 52
ROW = 24
"""The height of a row of the legend."""

MOST_POINTS = 240
"""A longer series is thinned; in each stretch its lowest and its highest point stay."""

MOST_SERIES = 8
"""As many colours and dashes are told apart."""

LOGARITHMIC_FROM = 100.0
"""Positive values whose largest is so many times the smallest are drawn on a logarithmic axis, where that is asked."""

LIGHT = ("#1f6fd0", "#c2410c", "#15803d", "#7c3aed", "#b4236b", "#0f766e", "#8a6100", "#4b5563")
DARK = ("#6cb0ff", "#ff9d66", "#5bc27a", "#b79cff", "#ff8fc0", "#5fd3c7", "#e5b84a", "#b3bac3")
DASHES = ("", "7 3", "2 2.5", "9 3 2 3", "4 2", "1 2", "12 3", "6 2 2 2")


def _colours(colours: Sequence[str]) -> str:
    return "".join(f".chart .s{i}{{stroke:{colour}}}" for i, colour in enumerate(colours))


CHART_STYLE = f"""\
.chart {{ display: block; max-width: 100%; height: auto; font: 12px system-ui, sans-serif; }}
.chart text {{ fill: currentColor; }} .chart .grid {{ stroke: currentColor; stroke-opacity: .14; }}
.chart .axis {{ stroke: currentColor; stroke-opacity: .6; }}
.chart .line {{ fill: none; stroke-width: 1.8; stroke-linejoin: round; }}
.chart .line.back {{ stroke-width: 1; stroke-opacity: .55; }}
{_colours(LIGHT)}
@media screen and (prefers-color-scheme: dark) {{ {_colours(DARK)} }}
"""


@dataclass(frozen=True)
class Series:
    """One line: what it is called, its points from left to right, and whether it stands back behind the others."""

    name: str
    points: tuple[tuple[float, float], ...]
    background: bool = False


@dataclass(frozen=True)
class Axis:
    """From a value to its place: between two values, and between two coordinates."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """The place of a value."""
        scale: Callable[[float], float] = math.log10 if self.logarithmic else float
        low, high = scale(self.low), scale(self.high)
        return self.start + (self.end - self.start) * (scale(value) - low) / (high - low)

    def ticks(self) -> list[float]:
        """Round values along the axis."""
        if self.logarithmic:
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            return [10.0**k for k in range(first, last + 1, max(1, (last - first) // 6 + 1))]
        step = _round_step(self.high - self.low)
        first = math.ceil(self.low / step - 1e-9)
        return [k * step for k in range(first, math.floor(self.high / step + 1e-9) + 1)]


@dataclass(frozen=True)
class Chart:
    """Series over common axes.

    Args:
        title: what is shown, for those who cannot see it.
        x_label: what is to the right.
        y_label: what is upwards.
        series: at least one, each with a point; those beyond `MOST_SERIES` are left out.
        may_be_logarithmic: whether the vertical axis may be logarithmic, where the values ask for it.
    """

    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    may_be_logarithmic: bool = False

    @property
    def shown(self) -> Sequence[Series]:
        """The lines."""
        return self.series[:MOST_SERIES]

    @property
    def height(self) -> float:
        """Of the whole, legend included."""
        return HEIGHT + ROW * len(self.legend)

    @cached_property
    def x_axis(self) -> Axis:
        """From left to right."""
        xs = [x for line in self.shown for x, _ in line.points]
        return Axis(*_spread(min(xs), max(xs), margin=0.0), LEFT, WIDTH - RIGHT)

    @cached_property
    def y_axis(self) -> Axis:
        """From below to above."""
        ys = [y for line in self.shown for _, y in line.points]
        as_log = self.may_be_logarithmic and min(ys) > 0 and max(ys) >= LOGARITHMIC_FROM * min(ys)
        low, high = _decades(min(ys), max(ys)) if as_log else _spread(min(ys), max(ys), margin=0.05)
        return Axis(low, high, HEIGHT - BOTTOM, TOP, as_log)

    @property
    def y_caption(self) -> str:
        """What is upwards, and how."""
        return self.y_label + (", logarithmic" if self.y_axis.logarithmic else "")

    @property
    def description(self) -> str:
        """The chart in words."""
        told = "; ".join(f"{s.name} from {short(s.points[0][1])} to {short(s.points[-1][1])}" for s in self.shown)
        return f"{self.y_caption}, by {self.x_label}: {told}"

    @cached_property
    def legend(self) -> list[list[tuple[int, str, float]]]:
        """Rows of entries with their number, name and place, as many a row as fit; none for a single line."""
        return _legend_rows(self.shown) if len(self.shown) > 1 else []

    def line(self, series: Series) -> list[tuple[float, float]]:
        """A line's points in their places."""
        return [(self.x_axis(x), self.y_axis(y)) for x, y in thinned(series.points)]


def line_chart(chart: Chart) -> str:
    """A chart as an `svg` element; `CHART_STYLE` colours it."""
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {_n(chart.height)}" width="{WIDTH}" height="{_n(chart.height)}" '
        'role="img">',
        f"<title>{escaped(chart.title)}</title>",
        f"<desc>{escaped(chart.description)}</desc>",
        *_axes(chart.x_axis, chart.y_axis, chart.x_label, chart.y_caption),
        *(_line(line, i, chart) for i, line in enumerate(chart.shown)),
        *_legend(chart.legend),
        "</svg>",
    ]
    return "\n".join(parts)


def _axes(x_axis: Axis, y_axis: Axis, x_label: str, y_label: str) -> list[str]:
    parts = []
    for tick in y_axis.ticks():
        y = _n(y_axis(tick))
        parts.append(f'<path class="grid" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y}" dy="4" text-anchor="end">{tick_label(tick)}</text>')
    for tick in x_axis.ticks():
        x = _n(x_axis(tick))
        parts.append(f'<path class="axis" d="M{x} {HEIGHT - BOTTOM}v5"/>')
        parts.append(f'<text x="{x}" y="{HEIGHT - BOTTOM + 19}" text-anchor="middle">{tick_label(tick)}</text>')
    parts.append(f'<path class="axis" fill="none" d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) // 2}" y="{HEIGHT - 8}" text-anchor="middle">{escaped(x_label)}</text>'
    )
    turned = f'transform="translate(15 {_n(middle)}) rotate(-90)" text-anchor="middle"'
    return [*parts, f"<text {turned}>{escaped(y_label)}</text>"]


def _line(series: Series, number: int, chart: Chart) -> str:
    points = [f"{_n(x)} {_n(y)}" for x, y in chart.line(series)]
    path = f"M{points[0]}" + ("h0.1" if len(points) == 1 else f"L{' '.join(points[1:])}")
    kind = " back" if series.background else ""
    return f'<path class="line s{number}{kind}"{_dash(number)} d="{path}"><title>{escaped(series.name)}</title></path>'


def _dash(number: int) -> str:
    return f' stroke-dasharray="{DASHES[number]}"' if DASHES[number] else ""


def _legend_rows(series: Sequence[Series]) -> list[list[tuple[int, str, float]]]:
    """Entries with their place, as many a row as fit."""
    rows: list[list[tuple[int, str, float]]] = [[]]
    x = float(LEFT)
    for number, line in enumerate(series):
        width = 46.0 + 9.5 * len(line.name)  # on a phone, where letters are larger
        if rows[-1] and x + width > WIDTH - RIGHT:
            rows.append([])
            x = float(LEFT)
        rows[-1].append((number, line.name, x))
        x += width
    return rows


def _legend(rows: Sequence[Sequence[tuple[int, str, float]]]) -> list[str]:
    parts = []
    for position, row in enumerate(rows):
        y = HEIGHT + ROW * position + 14
        for number, name, x in row:
            parts.append(f'<path class="line s{number}"{_dash(number)} d="M{_n(x)} {y - 4}h22"/>')
            parts.append(f'<text x="{_n(x + 28)}" y="{y}">{escaped(name)}</text>')
    return parts


def thinned(points: Sequence[tuple[float, float]], most: int = MOST_POINTS) -> list[tuple[float, float]]:
    """At most so many points, the first and the last among them; peaks stay."""
    if len(points) <= most:
        return list(points)
    stretches = (most - 2) // 2
    kept = {0, len(points) - 1}
    for k in range(stretches):
        places = range(len(points) * k // stretches, len(points) * (k + 1) // stretches)
        kept |= {min(places, key=lambda i: points[i][1]), max(places, key=lambda i: points[i][1])}
    return [points[i] for i in sorted(kept)]


def _spread(low: float, high: float, margin: float) -> tuple[float, float]:
    """A range with some room at its ends; never an empty one."""
    room = (high - low) * margin if high > low else max(abs(high), 1.0) * 0.5
    return (low - room, high + room)


def _decades(low: float, high: float) -> tuple[float, float]:
    return 10.0 ** math.floor(math.log10(low)), 10.0 ** math.ceil(math.log10(high))


def _round_step(width: float, most: int = 6) -> float:
    """The smallest of 1, 2, 5, 10, … that divides a width into at most so many parts."""
    size = 10.0 ** math.floor(math.log10(width / most))
    return next(step * size for step in (1, 2, 5, 10, 20) if width / (step * size) <= most)


def tick_label(value: float) -> str:
    """A round value beside an axis."""
    mantissa, _, exponent = short(float(f"{value:.6g}")).partition("e")
    text = mantissa.replace("-", "−")
    if not exponent:
        return text
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{raised}" if text == "1" else f"{text}·10{raised}"


def _n(value: float) -> str:
    """A coordinate, to a tenth of a pixel."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text
