"""Plots by matplotlib: what they show is the run's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
from tensor_models import BY_NAME as MODEL

import symgrad as sg
from symgrad import plot
from symgrad.examples import source

pytest.importorskip("matplotlib", reason='needs matplotlib: pip install "symgrad[plot]"')

SEED = "y_pred = x*w; l = (y_pred - y)**2"
LINE = "y_pred = x*w + b; l = (y_pred - y)**2"
DATA = {"x": [1.0, 2.0, 3.0], "y": [2.0, 4.0, 6.0]}


def trained(text: str = SEED, start: dict[str, Any] | None = None, **options: Any) -> tuple[sg.Run, sg.Derivation]:
    """A run with its steps, and what it trained."""
    start = start or {"w": 1.0}
    derivation = sg.derive(sg.read(text), list(start))
    return sg.train(derivation, DATA, start, log="steps", **options), derivation


def axes() -> Any:
    """Empty axes that pyplot knows nothing of."""
    return plot.new_figure().subplots()


def points_of(ax: Any, label: str) -> numpy.ndarray:
    """The points of a line by its label."""
    (line,) = [line for line in ax.lines if line.get_label() == label]
    return numpy.array(line.get_xydata())


def test_the_loss_is_that_of_the_steps() -> None:
    """The curve has the run's losses, one a step, and the last of each epoch marked; it may be logarithmic."""
    run, _ = trained()
    ax = plot.loss(run, axes())
    assert points_of(ax, "each step").tolist() == [[i, step.loss] for i, step in enumerate(run.steps, 1)]
    assert points_of(ax, "last of each epoch").tolist() == [[3.0 * i, loss] for i, loss in enumerate(run.epochs, 1)]
    means = [[3.0 * i, sum(s.loss for s in run.steps[3 * i - 3 : 3 * i]) / 3] for i in range(1, 11)]
    assert points_of(ax, "mean of each epoch").tolist() == means
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("step", "loss", "log")
    few, _ = trained(epochs=1)
    assert plot.loss(few, axes()).get_yscale() == "linear"
    from_zero, _ = trained("l = w*x*(y - 2) - 300*w*(x - 1)")
    assert plot.loss(from_zero, axes()).get_yscale() == "linear"


def test_the_loss_of_a_run_without_steps_is_by_epoch() -> None:
    """A run that kept no steps shows its epochs, and has no trajectory."""
    derivation = sg.derive(sg.read(SEED), ["w"])
    run = sg.train(derivation, DATA, {"w": 1.0})
    ax = plot.loss(run, axes())
    assert points_of(ax, "last of each epoch")[:, 1].tolist() == list(run.epochs)
    assert ax.get_xlabel() == "epoch"
    assert run.trajectory == ()


@pytest.mark.parametrize("log", ["steps", None])
def test_one_step_is_seen(log: Any) -> None:
    """A curve of one point is a point, and nothing stands between two steps or two epochs."""
    derivation = sg.derive(sg.read(SEED), ["w"])
    ax = plot.loss(sg.train(derivation, DATA, {"w": 1.0}, epochs=1, batch_size=None, log=log), axes())
    assert [line.get_marker() for line in ax.lines] == ["o"]
    assert [tick for tick in ax.get_xticks() if tick != int(tick)] == []


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_trajectory_is_the_runs_own(optimizer: str) -> None:
    """Where the run stood before each step is drawn, by whatever optimizer; it ends in the run's result."""
    run, _ = trained(LINE, {"w": 1.0, "b": 0.5}, optimizer=optimizer, epochs=2)
    ax = plot.parameters(run, axes())
    for name in ("w", "b"):
        drawn = points_of(ax, name)
        assert drawn[:, 0].tolist() == list(range(7))
        assert drawn[:, 1].tolist() == [step.parameters[name] for step in run.steps] + [run.parameters[name]]
    for step, after in zip(run.steps, run.trajectory[1:], strict=True):
        if optimizer == "sgd":
            assert after["w"] == step.parameters["w"] - 0.01 * step.gradient["w"]


def test_a_resumed_run_goes_on_counting(tmp_path: Path) -> None:
    """The steps before a checkpoint count, though only those after it are drawn."""
    derivation = sg.derive(sg.read(SEED), ["w"])
    saved = tmp_path / "half.json"
    sg.train(derivation, DATA, {"w": 1.0}, epochs=2, save_to=saved)
    run = sg.train(derivation, DATA, {}, epochs=4, log="steps", resume_from=saved)
    assert points_of(plot.loss(run, axes()), "each step")[:, 0].tolist() == list(range(7, 13))
    drawn = plot.parameters(run, axes()).lines[0].get_xdata()
    assert list(drawn) == list(range(6, 13))


def test_a_curve_of_one_number_is_the_mean_loss() -> None:
    """The curve under the steps is the mean loss over all samples, and the steps lie on it."""
    run, derivation = trained()
    ax = plot.descent(run, derivation, DATA, axes())
    curve, steps = numpy.array(ax.lines[0].get_xydata()), points_of(ax, "steps")
    for w, height in [*curve, *steps]:
        assert height == pytest.approx(numpy.mean([(x * w - y) ** 2 for x, y in zip(*DATA.values(), strict=True)]))
    assert steps[:, 0].tolist() == [at["w"] for at in run.trajectory]
    assert curve[0, 0] < steps[:, 0].min() < steps[:, 0].max() < curve[-1, 0]
    assert points_of(ax, "start").tolist() == steps[:1].tolist()
    assert points_of(ax, "end").tolist() == steps[-1:].tolist()
    summed = plot.descent(run, derivation, DATA, axes(), reduce="sum")
    assert points_of(summed, "steps")[:, 1] == pytest.approx(3 * steps[:, 1])


def test_a_long_run_is_told_by_some_of_its_steps() -> None:
    """Of many steps some stand on the curve, the first and the last among them."""
    run, derivation = trained(epochs=500)
    steps = points_of(plot.descent(run, derivation, DATA, axes()), "steps")
    assert len(run.steps) == 1500
    assert len(steps) == 1000
    assert (steps[0, 0], steps[-1, 0]) == (1.0, run.parameters["w"])


def test_contours_of_two_numbers() -> None:
    """Over two numbers the way stands on contours of the loss, at the right heights."""
    from symgrad.training.surface import loss_surface

    run, derivation = trained(LINE, {"w": -1.0, "b": 0.5}, lr=0.05, epochs=30)
    surface = loss_surface(run, derivation, DATA)
    assert surface.names == ("w", "b")
    w, b = (axis[k] for axis, k in zip(surface.axes, (5, 40), strict=True))
    expected = numpy.mean([(x * w + b - y) ** 2 for x, y in zip(*DATA.values(), strict=True)])
    assert surface.losses[40, 5] == pytest.approx(expected)
    ax = plot.descent(run, derivation, DATA, axes())
    assert points_of(ax, "steps").tolist() == surface.path.tolist()
    levels = ax.collections[0].levels
    assert surface.losses.max() > 100 * surface.losses.min() > 0
    assert numpy.ptp(numpy.diff(numpy.log(levels))) < 1e-9


def test_surfaces_of_vectors_labels_and_matrices() -> None:
    """Two entries of a vector are two numbers; a model with its own sample axis or without a batched form works too."""
    vector = sg.derive(sg.read("X: (n, 2); w: (2,); y: (n,); L = sum((X @ w - y)**2)/n"), ["w"])
    data = {"X": [[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]], "y": [1.0, 2.0, 3.0]}
    run = sg.train(vector, data, {"w": [0.0, 0.0]}, log="steps", batch_size=None)
    ax = plot.descent(run, vector, data, axes())
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("w[0]", "w[1]")
    inverse = sg.derive(sg.read("A: (2, 2); l = c*det(A)*(w - y)**2"), ["w"])
    data = {"y": [1.0, 2.0], "A": [numpy.eye(2), 3 * numpy.eye(2)], "c": 2.0}
    run = sg.train(inverse, data, {"w": 0.0}, log="steps")
    for reduce, loss in (("mean", 37.0), ("sum", 74.0)):  # 2·1·1² + 2·9·2²
        ax = plot.descent(run, inverse, data, axes(), reduce=reduce)
        assert points_of(ax, "start").tolist() == [[0.0, pytest.approx(loss)]]


def test_a_flat_loss_and_one_that_ends() -> None:
    """A constant loss has no contours, and where a loss is not a number its curve has a gap."""
    run, derivation = trained("l = 0*w*x + 0*b*y + 1", {"w": 1.0, "b": 1.0}, epochs=1)
    assert not plot.descent(run, derivation, DATA, axes()).collections
    run, derivation = trained("l = x*sqrt(w) + 0*y", {"w": 0.1}, epochs=1)
    assert numpy.isnan(plot.descent(run, derivation, DATA, axes()).lines[0].get_ydata()).any()


@pytest.mark.parametrize(
    ("text", "start", "panels"),
    [(SEED, {"w": 1.0}, 3), ("l = (a*x + b*x**2 + c - y)**2", dict.fromkeys("abc", 0.1), 2)],
)
def test_everything_side_by_side(text: str, start: dict[str, float], panels: int) -> None:
    """A figure of all there is; more than two numbers have no surface, and a run without steps has its loss alone."""
    run, derivation = trained(text, start)
    assert len(plot.training(run, derivation, DATA, plot.new_figure()).axes) == panels
    assert len(plot.training(run, figure=plot.new_figure()).axes) == 2
    without = sg.train(derivation, DATA, start)
    assert len(plot.training(without, derivation, DATA, plot.new_figure()).axes) == 1


# the graph


@pytest.mark.parametrize("text", [SEED, source("fork"), source("mlp"), MODEL["softmax_cross_entropy"].text])
def test_a_graph_is_drawn_within_its_boxes(text: str) -> None:
    """Every box and label of the picture is there, and all of it lies within the axes."""
    from matplotlib.patches import PathPatch

    from symgrad.renderers.graph import picture
    from symgrad.renderers.placed import place

    derivation = sg.derive(sg.read(text))
    placed = place(picture(derivation))
    ax = plot.graph(derivation, axes())
    assert (ax.get_xlim(), ax.get_ylim()) == ((0, placed.width), (placed.height, 0))
    letters = [patch for patch in ax.patches if isinstance(patch, PathPatch) and patch.get_fill()]
    told = sum(len(lines) + sum(1 for line in lines if line.beside) for _, lines, _, _ in placed.boxes)
    assert len(letters) == told + len(placed.legend)
    for patch in ax.patches:
        extent = patch.get_path().get_extents(patch.get_patch_transform())
        assert -0.1 <= extent.x0 <= extent.x1 <= placed.width + 0.1
        assert -0.1 <= extent.y0 <= extent.y1 <= placed.height + 0.1
    for (_, lines, size, (x, _)), written in zip(placed.boxes, _by_box(placed, letters), strict=True):
        assert lines
        for extent in written:
            assert x - size.width / 2 < extent.x0 - placed.left < extent.x1 - placed.left < x + size.width / 2


def _by_box(placed: Any, letters: list[Any]) -> list[list[Any]]:
    """The extents of the letters in each box, in the order they are drawn."""
    rest, found = iter(letters), []
    for _, lines, _, _ in placed.boxes:
        count = len(lines) + sum(1 for line in lines if line.beside)
        found.append([next(rest).get_path().get_extents() for _ in range(count)])
    return found


def test_a_highlight_stands_out_in_its_colour() -> None:
    """The highlighted path has the colour of the SVG's, and nothing else has."""
    from matplotlib.colors import same_color

    from symgrad.renderers.svg_style import LIGHT

    def lit(highlight: str | None) -> int:
        ax = plot.graph(sg.derive(sg.read(SEED), "w"), axes(), highlight=highlight)
        return sum(same_color(patch.get_edgecolor(), LIGHT["highlight"]) for patch in ax.patches)

    assert (lit(None), lit("w")) == (0, 3 + 2 + 1)  # boxes, edges, and the sample in the legend
