"""Plots by matplotlib: none of its state changes, files come out the same, and what is wrong is said in a line."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from test_plots import DATA, LINE, SEED, axes, trained

import symgrad as sg
from symgrad import plot
from symgrad.cli import run as command

mpl = pytest.importorskip("matplotlib", reason='needs matplotlib: pip install "symgrad[plot]"')

TRAINING = ["-w", "w", "--data", "x=1,2,3", "--data", "y=2,4,6", "--init", "w=1"]


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


@pytest.mark.parametrize(
    ("text", "start", "lr"),
    [(SEED, ["w=1"], "10"), (LINE, ["w=1", "b=0"], "1"), ("l = x*sqrt(w) + 0*y", ["w=0.01"], "1")],
)
def test_a_run_that_ends_in_infinity_is_drawn_up_to_there(
    text: str, start: list[str], lr: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where a run stops, what it kept is in the plot, up to losses near the largest float, and the error stays one."""
    given = ["--init", ",".join(start), "--lr", lr, "--epochs", "300", "--plot", str(tmp_path / "r.png")]
    assert command(["train", text, *TRAINING[2:6], *given]) == 3
    said = capsys.readouterr().err
    assert said.startswith("error: training stopped at step")
    assert said.count("\n") == 1
    assert (tmp_path / "r.png").stat().st_size > 10_000


def test_no_figure_is_left_behind() -> None:
    """What is wrong is said before there is a figure, which pyplot would keep."""
    code = f"""
import matplotlib
matplotlib.use("agg")
from matplotlib import pyplot
import symgrad as sg
from symgrad import plot
derivation = sg.derive(sg.read({SEED!r}), ["w"])
run, none = (sg.train(derivation, {DATA!r}, {{"w": 1.0}}, epochs=epochs, log="steps") for epochs in (1, 0))
for wrong in (
    lambda: plot.training(run, derivation, {{"x": [1.0]}}),
    lambda: plot.training(none),
    lambda: plot.loss(none),
    lambda: plot.parameters(none),
    lambda: plot.descent(none, derivation, {DATA!r}),
    lambda: plot.graph(derivation, highlight="q"),
):
    try:
        wrong()
    except sg.SymgradError as error:
        print(pyplot.get_fignums())
"""
    assert in_a_fresh_python(code) == "[]\n" * 6


def test_a_wrong_setting_of_matplotlibs_is_one_line() -> None:
    """Where matplotlib does not load for its settings, the error says which."""
    code = f"""
import os
os.environ["MPLBACKEND"] = "nonsense"
from symgrad.cli import run
print(run(["train", {SEED!r}, *{TRAINING!r}, "--plot", "r.png"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "3\n"
    assert "'nonsense' is not a valid value for backend. Look at MPLBACKEND" in done.stderr


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
