"""A line chart as a LaTeX drawing."""

from __future__ import annotations

from symgrad.renderers.chart import BOTTOM, DASHES, HEIGHT, LEFT, LIGHT, RIGHT, ROW, TOP, WIDTH, Chart, tick_label
from symgrad.renderers.latex_drawing import Drawing, polyline

INK, GRID = "#555555", "#dddddd"
SIZE = 14.0
POINTS = 0.56
HEAD = 18.0
"""Room above for what the vertical axis is called."""


def chart_latex(chart: Chart) -> str:
    """The chart, with the name of its vertical axis above it."""
    drawing = Drawing(WIDTH, chart.height + HEAD, POINTS)
    bottom, right = HEIGHT - BOTTOM + HEAD, WIDTH - RIGHT
    for tick in chart.y_axis.ticks():
        y = chart.y_axis(tick) + HEAD
        drawing.path(polyline([(LEFT, y), (right, y)]), GRID)
        drawing.words(tick_label(tick), (LEFT - 8, y + 4), SIZE, "end")
    for tick in chart.x_axis.ticks():
        x = chart.x_axis(tick)
        drawing.path(polyline([(x, bottom), (x, bottom + 5)]), INK)
        drawing.words(tick_label(tick), (x, bottom + 19), SIZE)
    drawing.path(polyline([(LEFT, TOP + HEAD), (LEFT, bottom), (right, bottom)]), INK)
    drawing.words(chart.x_label, ((LEFT + right) / 2, bottom + 42), SIZE)
    drawing.words(chart.y_caption, (LEFT, 12.0), SIZE, "start")
    for number, series in enumerate(chart.shown):
        points = [(x, y + HEAD) for x, y in chart.line(series)]
        drawing.path(
            polyline([*points, points[-1]]), LIGHT[number], width=0.7 if series.background else 1.8, dash=DASHES[number]
        )
    for position, row in enumerate(chart.legend):
        y = HEIGHT + HEAD + ROW * position + 14
        for number, name, x in row:
            drawing.path(polyline([(x, y - 4), (x + 22, y - 4)]), LIGHT[number], width=1.8, dash=DASHES[number])
            drawing.words(name, (x + 28, y), SIZE, "start")
    return drawing.latex()
