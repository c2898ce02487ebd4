"""Plots by matplotlib, the extra `symgrad[plot]`: of a training run and of a computational graph.

    from symgrad import plot

    run = sg.train(derivation, data, {"w": 1.0}, log="steps")
    plot.loss(run)                              # a new figure, by pyplot
    plot.descent(run, derivation, data, ax=ax)  # into axes of yours

Every function draws into `ax` and returns it; colours, sizes and lines are those of the matplotlib style in force.
Without `ax` it makes a figure by pyplot, which is not imported otherwise.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from symgrad.errors import BackendError, DataError, RenderError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from symgrad.calculus.batch import Reduce
    from symgrad.core.derivation import Derivation
    from symgrad.core.graph import Graph
    from symgrad.core.results import Evaluation, Run
    from symgrad.training.surface import Surface

__all__ = ["descent", "graph", "loss", "parameters", "save", "training"]

PANEL = (5.4, 3.6)
"""The size of one plot of several, in inches."""

LEVELS = 14
"""Contours of a loss surface."""

HUGE = 1e200
"""Losses beyond are above the plot; matplotlib's margin and ticks would go beyond the largest float."""

MARKS = 60
"""A longer way is marked at about so many of its steps."""


def loss(run: Run, ax: Axes | None = None) -> Axes:
    """Plot the loss by step, with the mean and the last of each epoch, or by epoch where the run kept no steps.

    The axis is logarithmic where all losses are positive and the largest is a hundred times the smallest.

    Args:
        run: a run of at least one epoch.
        ax: the axes to draw into; a new figure's by default.

    Returns:
        The axes.

    Raises:
        DataError: if the run has no losses.
        BackendError: if matplotlib is missing.
    """
    series = _losses(run)
    ax = _axes(ax)
    for (label, points), manner in zip(series.items(), ("-", "-", "o"), strict=False):
        faint = len(series) > 1 and label == "each step"
        drawn = manner if len(points) > 1 else "o"  # one point makes no line
        ax.plot(*zip(*points, strict=True), drawn, label=label, alpha=0.5 if faint else 1, markersize=4)
    found = [value for points in series.values() for _, value in points]
    if min(found) > 0 and max(found) >= 100 * min(found):
        if max(found) > HUGE:
            ax.set_ylim(min(found), HUGE)
        ax.set_yscale("log")
    ax.set(xlabel="step" if run.steps else "epoch", ylabel="loss")
    _count(ax)
    if len(series) > 1:
        ax.legend()
    return ax


def parameters(run: Run, ax: Axes | None = None) -> Axes:
    """Plot what is trained by step: numbers, the entries of small vectors, and the norm of any larger tensor.

    Args:
        run: a run with its steps, `train(…, log="steps")`.
        ax: the axes to draw into; a new figure's by default.

    Returns:
        The axes.

    Raises:
        DataError: if the run kept no steps.
        BackendError: if matplotlib is missing.
    """
    from symgrad.renderers.descent import parameter_series

    if not run.steps:
        raise DataError('this run kept no steps; train it with log="steps".')
    ax = _axes(ax)
    series = parameter_series(run.trajectory)
    first = run.step_count - len(run.steps)
    for line in series:
        ax.plot([first + x for x, _ in line.points], [y for _, y in line.points], label=line.name)
    ax.set(xlabel="step", ylabel=series[0].name if len(series) == 1 else "value")
    _count(ax)
    if len(series) > 1:
        ax.legend()
    return ax


def descent(
    run: Run, derivation: Derivation, data: Mapping[str, Any], ax: Axes | None = None, *, reduce: Reduce = "mean"
) -> Axes:
    """Plot the way of a run on the loss surface: a curve of one trained number, or contours over two.

    The loss is that over all samples, in float64, whatever batches and precision the run had.

    Args:
        run: a run with its steps, `train(…, log="steps")`.
        derivation: what was trained.
        data: the samples, as for `train`, and the constants, as single values.
        ax: the axes to draw into; a new figure's by default.
        reduce: `mean` or `sum` over the samples.

    Returns:
        The axes.

    Raises:
        DataError: if the run kept no steps or trains more than two numbers, or the data do not fit.
        BackendError: if matplotlib is missing.
    """
    from symgrad.training.surface import loss_surface

    surface = loss_surface(run, derivation, data, reduce)
    return _descent(surface, derivation.output, _axes(ax))


def graph(
    subject: Derivation | Graph,
    ax: Axes | None = None,
    *,
    evaluation: Evaluation | None = None,
    highlight: str | None = None,
    names: Mapping[str, str] | None = None,
) -> Axes:
    """Draw the computational graph, as `symgrad graph` does.

    Args:
        subject: what to draw.
        ax: the axes to draw into; by default those of a new figure, in which the text has the size of the SVG's.
        evaluation: numbers at a point, from `compile(derivation)(point)`.
        highlight: a node; it, and everything on a path from it to the output, stands out.
        names: how to print a name, in LaTeX, as for `render`.

    Returns:
        The axes.

    Raises:
        RenderError: if no path leads from `highlight` to the output.
        GraphError: if `highlight` or one of `names` is no node.
        BackendError: if matplotlib is missing.
    """
    _matplotlib()
    from symgrad.renderers.graph import picture
    from symgrad.renderers.plot_graph import draw_picture, inches

    drawn = picture(subject, evaluation, highlight, names)
    if ax is None:
        ax = _pyplot().figure(figsize=inches(drawn)).add_axes((0, 0, 1, 1))
    return draw_picture(drawn, ax)


def training(
    run: Run,
    derivation: Derivation | None = None,
    data: Mapping[str, Any] | None = None,
    figure: Figure | None = None,
    *,
    reduce: Reduce = "mean",
) -> Figure:
    """Plot all there is of a run, side by side: the loss, what is trained, and the descent on the loss surface.

    Args:
        run: the run; with its steps it shows more.
        derivation: what was trained; the surface needs it, and the data.
        data: the samples and the constants, as for `descent`.
        figure: an empty figure to draw into; a new one, by pyplot, by default.
        reduce: as for `descent`.

    Returns:
        The figure.

    Raises:
        DataError: if the run has no losses, or the data do not fit.
        BackendError: if matplotlib is missing.
    """
    from symgrad.training.surface import POINTS, entries_of, loss_surface

    _losses(run)  # whatever is wrong is said before there is a figure
    surface = None
    if run.steps and derivation is not None and data is not None and len(entries_of(run)) in POINTS:
        surface = loss_surface(run, derivation, data, reduce)
    count = 1 + bool(run.steps) + (surface is not None)
    figure = figure or _pyplot().figure(layout="constrained")
    figure.set_size_inches(PANEL[0] * count, PANEL[1])
    if figure.get_layout_engine() is None:
        figure.set_layout_engine("constrained")
    axes = figure.subplots(1, count, squeeze=False)[0]
    loss(run, axes[0])
    if run.steps:
        parameters(run, axes[1])
    if surface is not None:
        assert derivation is not None
        _descent(surface, derivation.output, axes[2])
    return figure


# files


def graph_figure(
    subject: Derivation | Graph,
    evaluation: Evaluation | None = None,
    highlight: str | None = None,
    names: Mapping[str, str] | None = None,
) -> Figure:
    """What `graph` draws, in a figure of its size that pyplot knows nothing of."""
    _matplotlib()
    from symgrad.renderers.graph import picture
    from symgrad.renderers.plot_graph import draw_picture, inches

    drawn = picture(subject, evaluation, highlight, names)
    figure = new_figure(figsize=inches(drawn))
    draw_picture(drawn, figure.add_axes((0, 0, 1, 1)))
    return figure


def check_suffix(path: str | Path) -> None:
    """Refuse a file that matplotlib cannot write, before anything is computed.

    Raises:
        RenderError: if the suffix names no format.
        BackendError: if matplotlib is missing.
    """
    _matplotlib()
    known = importlib.import_module("matplotlib.backend_bases").FigureCanvasBase.get_supported_filetypes()
    if Path(path).suffix[1:].lower() not in known:
        usual = ".png, .svg or .pdf"
        raise RenderError(f"cannot tell a format from {Path(path).name!r}; a plot goes to a file in {usual}.")


def new_figure(**options: Any) -> Figure:
    """An empty figure that pyplot knows nothing of; the options are those of `matplotlib.figure.Figure`.

    Raises:
        BackendError: if matplotlib is missing.
    """
    _matplotlib()
    from matplotlib.figure import Figure

    return Figure(**options)


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure to a file, the same bytes on every run: neither the date nor a random name is in it.

    Args:
        figure: of matplotlib, these functions' or not.
        path: the suffix chooses the format.

    Raises:
        RenderError: if the suffix names no format.
        DataError: if the file cannot be written.
    """
    import matplotlib as mpl

    check_suffix(path)
    kind = Path(path).suffix[1:].lower()
    undated = {"svg": {"Date": None}, "svgz": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    written = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "symgrad"}):
        figure.savefig(written, format=kind, metadata=undated, dpi=150)
    try:
        Path(path).write_bytes(written.getvalue())
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror or error}.") from None


# pieces


def _matplotlib() -> None:
    try:
        importlib.import_module("matplotlib")
    except ImportError:
        raise BackendError('plots need matplotlib, which is not installed. pip install "symgrad[plot]"') from None
    except ValueError as error:  # it reads its settings as it is loaded
        reason = str(error).partition(";")[0]
        raise BackendError(f"matplotlib does not load: {reason}. Look at MPLBACKEND and at matplotlibrc.") from None


def _pyplot() -> Any:
    """Imported only where someone wants a figure of pyplot's."""
    _matplotlib()
    return importlib.import_module("matplotlib.pyplot")


def _axes(ax: Axes | None) -> Axes:
    """The axes given, or those of a new figure."""
    return ax or _pyplot().subplots(layout="constrained")[1]


def _losses(run: Run) -> dict[str, list[tuple[float, float]]]:
    """The lines of a training curve, by what they are."""
    if not run.epochs and not run.steps:
        raise DataError("this run has no losses to plot; train for at least one epoch.")
    if not run.steps:
        return {"last of each epoch": [(float(i), value) for i, value in enumerate(run.epochs, 1)]}
    first = run.step_count - len(run.steps) + 1
    steps = {"each step": [(float(i), step.loss) for i, step in enumerate(run.steps, first)]}
    epochs = [list(group) for _, group in groupby(enumerate(run.steps, first), lambda numbered: numbered[1].epoch)]
    if len(epochs) == len(run.steps):
        return steps
    ends = [float(group[-1][0]) for group in epochs]
    means = [sum(step.loss for _, step in group) / len(group) for group in epochs]
    lasts = [group[-1][1].loss for group in epochs]
    return steps | {
        "mean of each epoch": list(zip(ends, means, strict=True)),
        "last of each epoch": list(zip(ends, lasts, strict=True)),
    }


def _count(ax: Axes) -> None:
    """Steps and epochs are whole numbers; an axis that is scaled otherwise stays as it is."""
    locator = ax.xaxis.get_major_locator()
    if isinstance(locator, importlib.import_module("matplotlib.ticker").MaxNLocator):
        locator.set_params(integer=True, min_n_ticks=1)


def _descent(surface: Surface, output: str, ax: Axes) -> Axes:
    """The loss, and the way across it."""
    way = surface.path.T if len(surface.names) == 2 else (surface.path[:, 0], surface.heights)
    if len(surface.names) == 2:
        _contours(surface, ax)
        ax.set(xlabel=surface.names[0], ylabel=surface.names[1], title=f"{output} over all samples")
    else:
        ax.plot(surface.axes[0], surface.losses, color="0.6", zorder=1)
        ax.set(xlabel=surface.names[0], ylabel=f"{output} over all samples")
    every = max(1, len(surface.path) // MARKS)
    ax.plot(*way, "o-", markersize=3, linewidth=1, markevery=every, label="steps")
    ax.plot(*(side[:1] for side in way), "s", color="black", markersize=6, label="start")
    ax.plot(*(side[-1:] for side in way), "*", color="black", markersize=10, label="end")
    ax.legend()
    return ax


def _contours(surface: Surface, ax: Axes) -> None:
    """Contours of the loss; their levels grow by a factor where the loss does."""
    import numpy

    finite = surface.losses[numpy.isfinite(surface.losses)]
    if not finite.size or finite.min() == finite.max():
        return
    low, high = float(finite.min()), float(finite.max())
    spaced = numpy.geomspace if low > 0 and high >= 100 * low else numpy.linspace
    lines = ax.contour(*surface.axes, surface.losses, spaced(low, high, LEVELS), colors="0.75", linewidths=0.8)
    ax.clabel(lines, fmt="%.3g", fontsize=7, colors="0.45")
