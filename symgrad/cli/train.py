"""`symgrad train`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from symgrad.cli.manner import manner, note
from symgrad.cli.options import (
    SourceCommand,
    descent_options,
    dtype_option,
    read_source,
    source_argument,
    wrt_of_source,
    wrt_option,
)
from symgrad.cli.plotter import Plotter
from symgrad.cli.problem import Problem, problem_of
from symgrad.errors import DataError, NonFiniteError
from symgrad.readers.values import assignments, number, value

if TYPE_CHECKING:
    from symgrad.core.derivation import Derivation
    from symgrad.core.results import Run, StepRecord

LONG_RUN = 20_000
"""Steps from which a progress bar is worth its line."""


@click.command(cls=SourceCommand)
@source_argument
@wrt_option
@click.option(
    "--data",
    multiple=True,
    metavar="DATA",
    help="FILE.csv with a header (X[0],X[1],… for the rows of X), FILE.npz, or NAME=1,2,3 (repeatable).",
)
@descent_options
@click.option("--reduce", type=click.Choice(["mean", "sum"]), default="mean", show_default=True, help="Over a batch.")
@click.option("--optimizer", default="sgd", show_default=True, help="sgd, or one of torch.optim's: adam, rmsprop, …")
@click.option("--optimizer-option", "options", multiple=True, metavar="NAME=VALUE", help="Such as momentum=0.9.")
@dtype_option
@click.option("--backend", default="auto", show_default=True, help="auto, numpy, or jit (symgrad[jit]).")
@click.option("--verify", is_flag=True, help="Check every step against torch as it goes; exit code 1 if one is wrong.")
@click.option(
    "--log", type=click.Choice(["steps", "epochs", "json"]), help="Print every step, every epoch, or JSON lines."
)
@click.option("--predict", multiple=True, metavar="NAME=VALUE", help="Print the model's value here, before and after.")
@click.option("--save", type=click.Path(dir_okay=False, path_type=Path), help="Checkpoint file, replaced whole.")
@click.option("--save-every", type=click.IntRange(1), default=1, show_default=True, help="Steps between checkpoints.")
@click.option("--shuffle", is_flag=True, help="Take the samples in another order in each epoch.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the order and the rules.")
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Plot the run by matplotlib (symgrad[plot]) into this .png, .svg or .pdf.",
)
@click.option("--resume", type=click.Path(path_type=Path), help="Go on from a checkpoint of the same run.")
def train(
    source: str,
    output: str | None,
    wrt: tuple[str, ...],
    data: tuple[str, ...],
    init: tuple[str, ...],
    lr: str,
    epochs: int,
    batch_size: int | None,
    reduce: str,
    optimizer: str,
    options: tuple[str, ...],
    dtype: str,
    backend: str,
    verify: bool,
    log: str | None,
    predict: tuple[str, ...],
    save: Path | None,
    save_every: int,
    resume: Path | None,
    shuffle: bool,
    seed: int,
    plot: Path | None,
) -> int:
    """Gradient descent by the derived gradient.

    Without --log the result is printed; with it, standard output is the log alone, and the result goes to standard
    error. --plot draws the loss, what is trained and, of one or two trained numbers, the way on the loss surface.

    \b
    Example:
      symgrad train "y_pred = x*w; l = (y_pred - y)**2" --wrt w --data x=1,2,3 --data y=2,4,6 --init w=1 --lr 0.01
    """
    from symgrad.training import train as descend

    problem = problem_of(read_source(source, output), wrt_of_source(source, wrt), data, init)
    chosen = {name: _option(text, name) for name, text in assignments(options, "--optimizer-option").items()}
    say = _predicting(problem, predict, dtype, log) if predict else None
    if say is not None:
        click.echo(say("before", problem.start))
    plotter = Plotter(plot, problem, reduce) if plot else None
    show = log_printer(log) if log else None
    try:
        with _progress(epochs, problem.data, batch_size) as progress:
            run = descend(
                problem.derivation,
                problem.data,
                problem.start,
                number(lr, "--lr"),
                epochs,
                batch_size,
                optimizer,
                backend,
                dtype,
                plotter.watching(show) if plotter else show,
                verify,
                reduce=reduce,  # type: ignore[arg-type]  # Click has checked the choice
                optimizer_options=chosen,
                save_to=save,
                save_every=save_every,
                resume_from=resume,
                progress=progress,
                shuffle=shuffle,
                seed=seed,
            )
    except KeyboardInterrupt:
        if save is not None and save.exists():
            note(f"the last complete step is in {save}; --resume {save} goes on from there.")
        raise
    except NonFiniteError as stopped:
        if plotter is not None and plotter.steps:
            plotter.draw(stopped.run)  # type: ignore[arg-type]  # it is a Run
        raise
    if say is not None:
        click.echo(say("after", run.parameters))
    _summary(run, to_stderr=log is not None or say is not None)
    if plotter is not None:
        plotter.draw(run)
    return _verified(run, to_stderr=log is not None) if verify else 0


def log_printer(kind: str) -> Callable[[StepRecord | tuple[int, float]], None]:
    """A function that prints each record of a run in the given form, `steps`, `epochs` or `json`."""
    from symgrad.renderers.log import epoch_line, json_line, step_line

    def show(record: StepRecord | tuple[int, float]) -> None:
        if kind == "json":
            click.echo(json_line(record))
        elif isinstance(record, tuple):
            click.echo(epoch_line(*record))
        elif kind == "steps":
            click.echo(step_line(record))

    return show


def prediction_sayer(
    derivation: Derivation, inputs: Mapping[str, str], constants: Mapping[str, Any], dtype: str, log: str | None
) -> Callable[[str, Mapping[str, Any]], str]:
    """A function from `before` or `after` and the parameters to the line that says the prediction.

    Args:
        derivation: the loss.
        inputs: the texts of the given values, by leaf, which the line repeats.
        constants: further leaves with a value.
        dtype: the precision to work in.
        log: the form of the log the line stands in.
    """
    from symgrad.renderers.log import json_prediction, prediction_line
    from symgrad.training.prediction import predictor

    given = {name: value(text, f"--predict {name}") for name, text in inputs.items()}
    predict = predictor(derivation, given, constants, dtype)
    line = json_prediction if log == "json" else prediction_line
    return lambda when, parameters: line(when, inputs, predict(parameters))


def _predicting(
    problem: Problem, predict: tuple[str, ...], dtype: str, log: str | None
) -> Callable[[str, Mapping[str, Any]], str]:
    """The line of a prediction, of what `--predict` gives.

    Raises:
        DataError: if a trained leaf has no values to begin with.
    """
    if any(isinstance(problem.start.get(name), str) for name in problem.derivation.wrt):
        raise DataError("--predict needs the start as values: rules such as glorot are drawn within the run.")
    known = {name: value for name, value in problem.data.items() if isinstance(value, float)}
    inputs = assignments(predict, "--predict")
    return prediction_sayer(problem.derivation, inputs, {**problem.start, **known}, dtype, log)


def _option(text: str, name: str) -> bool | float:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    return number(text, f"--optimizer-option {name}")


@contextmanager
def _progress(
    epochs: int, table: Mapping[str, Any], batch_size: int | None
) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on standard error, for a long run on a terminal."""
    samples = max((len(v) for v in table.values() if isinstance(v, list)), default=1)
    steps = epochs * -(-samples // (batch_size or samples))
    if steps < LONG_RUN or not sys.stderr.isatty() or manner().quiet:
        yield None
        return
    with click.progressbar(length=steps, label="training", file=sys.stderr) as bar:
        yield lambda done, _: bar.update(done - bar.pos)
        bar.update(steps - bar.pos)


def _summary(run: Run, to_stderr: bool) -> None:
    from symgrad.renderers.values import whole

    for name, trained in run.parameters.items():
        click.echo(f"{name} = {whole(trained)}", err=to_stderr)
    if run.epochs:
        click.echo(f"loss {run.epochs[0]} -> {run.epochs[-1]} in {run.step_count} steps", err=to_stderr)


def _verified(run: Run, to_stderr: bool) -> int:
    from symgrad.renderers.verdicts import ulps

    passed = sum(verification.passed for verification in run.verifications)
    worst = max((verification.worst_ulps for verification in run.verifications), default=0.0)
    who = f" ({run.verifications[0].versions}, {run.verifications[0].dtype})" if run.verifications else ""
    total = len(run.verifications)
    click.echo(f"{passed} of {total} steps agree with autograd{who}; the largest error is {ulps(worst)}", err=to_stderr)
    return 0 if passed == total else 1
