"""Plots by matplotlib: what they show is the run's, no state of matplotlib changes, files come out the same."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy
import pytest
from tensor_models import BY_NAME as MODEL

import symgrad as sg
from symgrad import plot
from symgrad.cli import run as command
from symgrad.examples import source

mpl = pytest.importorskip("matplotlib", reason='needs matplotlib: pip install "symgrad[plot]"')

SEED = "y_pred = x*w; l = (y_pred - y)**2"
LINE = "y_pred = x*w + b; l = (y_pred - y)**2"
DATA = {"x": [1.0, 2.0, 3.0], "y": [2.0, 4.0, 6.0]}
TRAINING = ["-w", "w", "--data", "x=1,2,3", "--data", "y=2,4,6", "--init", "w=1"]


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


# matplotlib's state, and files


def in_a_fresh_python(code: str) -> str:
    """What a program prints."""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_no_pyplot_where_axes_are_given() -> None:
    """With axes or a figure, and on the command line, pyplot is not imported; without, the figure is pyplot's."""
    code = f"""
import sys, symgrad as sg
from symgrad import plot
assert "matplotlib" not in sys.modules
derivation = sg.derive(sg.read({SEED!r}), ["w"])
data = {DATA!r}
run = sg.train(derivation, data, {{"w": 1.0}}, log="steps")
plot.training(run, derivation, data, plot.new_figure())
plot.graph(derivation, plot.new_figure().subplots())
from symgrad.cli import run as command
assert command(["graph", {SEED!r}, "-o", "/dev/null/g.png"]) == 2
print("matplotlib.pyplot" in sys.modules)
import matplotlib
matplotlib.use("agg")
figures = [plot.loss(run).figure, plot.parameters(run).figure, plot.descent(run, derivation, data).figure]
figures += [plot.graph(derivation).figure, plot.training(run)]
from matplotlib import pyplot
print(len(pyplot.get_fignums()), [figure.number for figure in figures])
"""
    assert in_a_fresh_python(code) == "False\n5 [1, 2, 3, 4, 5]\n"


def test_no_setting_changes(tmp_path: Path) -> None:
    """Matplotlib's settings are the same afterwards, and a style in force is followed."""
    before = dict(mpl.rcParams)
    run, derivation = trained()
    plot.save(plot.training(run, derivation, DATA, plot.new_figure()), tmp_path / "r.svg")
    assert dict(mpl.rcParams) == before
    with mpl.rc_context({"axes.prop_cycle": mpl.cycler(color=["#123456", "#654321"])}):
        assert plot.parameters(run, axes()).lines[0].get_color() == "#123456"


def test_files_are_the_same_on_every_run(tmp_path: Path) -> None:
    """The command writes the same bytes in different processes, in every format."""
    code = f"""
from symgrad.cli import run
for suffix in ("png", "svg", "pdf"):
    assert run(["train", {SEED!r}, *{TRAINING!r}, "--plot", "r." + suffix]) == 0
    assert run(["graph", {SEED!r}, "-o", "g." + suffix]) == 0
"""
    written = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, env={**os.environ, "PYTHONHASHSEED": seed})
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert written[0] == written[1]
    heads = {"r.png": b"\x89PNG", "r.svg": b"<?xml", "r.pdf": b"%PDF", "g.png": b"\x89PNG", "g.pdf": b"%PDF"}
    for name, head in heads.items():
        assert written[0][name].startswith(head)


def test_a_log_and_a_plot_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Drawing a run does not disturb its log."""
    assert command(["train", SEED, *TRAINING, "--log", "steps"]) == 0
    logged = capsys.readouterr().out
    assert command(["train", SEED, *TRAINING, "--log", "steps", "--plot", str(tmp_path / "r.png")]) == 0
    assert capsys.readouterr().out == logged
    assert (tmp_path / "r.png").stat().st_size > 10_000


@pytest.mark.parametrize("name", ["g.png", "g.pdf"])
def test_graphs_in_files(name: str, tmp_path: Path) -> None:
    """`symgrad graph -o g.png` draws the graph, with numbers and a highlight."""
    arguments = ["-w", "w", "--at", "x=3,y=6,w=1", "--highlight", "w"]
    assert command(["graph", SEED, *arguments, "-o", str(tmp_path / name)]) == 0
    plain, shown = tmp_path / f"plain_{name}", tmp_path / name
    assert command(["graph", SEED, "-o", str(plain)]) == 0
    assert plain.read_bytes() != shown.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["train", SEED, *TRAINING, "--plot", "r.doc"], 2, "cannot tell a format from 'r.doc'"),
        (["train", SEED, *TRAINING, "--plot", "none/r.png"], 2, "cannot write none/r.png: No such file"),
        (["train", SEED, *TRAINING, "--epochs", "0", "--plot", "r.png"], 2, "has no losses to plot"),
        (["graph", SEED, "-o", "g.doc"], 2, ".png, .pdf or --format"),
        (["graph", SEED, "--highlight", "q", "-o", "g.png"], 2, "no node 'q'"),
    ],
)
def test_errors(
    arguments: list[str],
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What is wrong is named, and a way out."""
    monkeypatch.chdir(tmp_path)
    assert command(arguments) == code
    said = capsys.readouterr()
    assert message in said.err
    if "r.doc" in arguments:
        assert said.out == ""  # said before the run


def test_errors_from_python() -> None:
    """What a run lacks is said."""
    run, derivation = trained()
    without = sg.train(derivation, DATA, {"w": 1.0})
    three, of_three = trained("l = (a*x + b*x**2 + c - y)**2", dict.fromkeys("abc", 0.1))
    for wrong, message in (
        (lambda: plot.parameters(without), 'kept no steps; train it with log="steps"'),
        (lambda: plot.descent(without, derivation, DATA), "kept no steps"),
        (lambda: plot.descent(three, of_three, DATA), "one or two trained numbers, and this run has 3"),
        (lambda: plot.descent(run, sg.derive(derivation.primal, ["x"]), DATA), "this run trained w, not x"),
        (lambda: plot.descent(run, derivation, {"x": [1.0]}), "no data for 'y'"),
        (lambda: plot.loss(sg.train(derivation, DATA, {"w": 1.0}, epochs=0)), "no losses to plot"),
    ):
        with pytest.raises(sg.SymgradError, match=message):
            wrong()


def test_without_matplotlib_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where matplotlib is missing the error says how to get it, before anything is trained."""
    run, derivation = trained()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for call in (lambda: plot.loss(run), lambda: plot.graph(derivation), plot.new_figure):
        with pytest.raises(sg.SymgradError, match=r'pip install "symgrad\[plot\]"'):
            call()
    for arguments in (["train", SEED, *TRAINING, "--plot", "r.png"], ["graph", SEED, "-o", "g.png"]):
        assert command([*arguments[:-1], str(tmp_path / arguments[-1])]) == 3
        said = capsys.readouterr()
        assert "symgrad[plot]" in said.err
        assert said.out == ""


def test_no_warning_about_names() -> None:
    """Names beyond ASCII are in matplotlib's own font."""
    derivation = sg.derive(sg.read("ŷ = σ*β; l = (ŷ - y)**2/2"), ["β"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot.graph(derivation, axes(), names={"y": r"\hat{y}"})
