"""`symgrad report`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from symgrad.cli.options import (
    EXIT_CODES,
    SourceCommand,
    at_option,
    descent_options,
    name_option,
    read_source,
    source_argument,
    worksheet_options,
    write,
    wrt_of_source,
    wrt_option,
)
from symgrad.cli.problem import Problem, problem_of
from symgrad.cli.typeset import latex_program, typeset
from symgrad.errors import DataError, RenderError, SymgradError, SymgradWarning
from symgrad.readers.values import assignments, number, values

if TYPE_CHECKING:
    from symgrad.core.derivation import Derivation
    from symgrad.core.results import Ruling, Verification
    from symgrad.renderers.descent import Training
    from symgrad.renderers.report import Report

OUTCOMES: Mapping[Ruling, str] = {"yes": "passed", "no": "failed", "undecided": "is undecided"}
SUFFIXES = (".html", ".htm", ".md", ".tex", ".pdf")


@click.command(cls=SourceCommand)
@source_argument
@wrt_option
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write here: r.html, r.md, r.tex, or r.pdf by an installed LaTeX.",
)
@at_option
@click.option(
    "--data", multiple=True, metavar="DATA", help="Train too, on FILE.csv, FILE.npz or NAME=1,2,3 (repeatable)."
)
@descent_options
@name_option
@worksheet_options
def report(
    source: str,
    output: str | None,
    wrt: tuple[str, ...],
    out: Path,
    at: tuple[str, ...],
    data: tuple[str, ...],
    init: tuple[str, ...],
    lr: str,
    epochs: int,
    batch_size: int | None,
    names: tuple[str, ...],
    blanks: bool,
    solutions: bool,
) -> int:
    """Write one page about a gradient: definitions, graph, derivation, verification and, with --data, training.

    The numbers are those at --at, else at the first samples and the start of the training; without either the
    verification is at random points. The page is complete in itself. Exit code 1 if the verification fails,
    3 if the loss has no finite value there.

    With --blanks the page is a worksheet: definitions, graph without numbers, and a derivation to fill in; with
    --solutions too, its key follows, folded away and, in print, on a page of its own.

    \b
    Example:
      symgrad report "y_pred = x*w; l = (y_pred - y)**2" --wrt w --at x=3,y=6,w=1 -o r.html
    """
    from symgrad.calculus import derive
    from symgrad.renderers.report import Report

    if out.suffix not in SUFFIXES:
        raise RenderError(f"cannot tell a format from {out.name!r}; use {', '.join(SUFFIXES)}.")
    if out.suffix == ".pdf":
        latex_program()  # said before anything is computed
    if data and (blanks or solutions):
        raise DataError("a worksheet has no training, whose log would give answers away; give its point with --at.")
    graph = read_source(source, output)
    point: dict[str, Any] = values(at, "--at")
    training, start = None, None
    if data:
        problem = problem_of(graph, wrt_of_source(source, wrt), data, init)
        derivation = problem.derivation
        training, start = _trained(problem, number(lr, "--lr"), epochs, batch_size)
    elif init:
        raise DataError("--init is where training starts, and training needs --data.")
    else:
        derivation = derive(graph, wrt_of_source(source, wrt))
    known = point or start
    evaluation = None
    if known:
        from symgrad.backends import compile

        evaluation = compile(derivation)(known)
    verification = _verified(derivation, known)
    told = assignments(names, "--name")
    _write(Report(derivation, known, evaluation, verification, training, told, blanks, solutions), out)
    judged = "" if verification is None else f"; the verification {OUTCOMES[verification.ruling]}"
    click.echo(f"wrote {out}, {-(-out.stat().st_size // 1000)} kB{judged}")
    return 0 if verification is None else EXIT_CODES[verification.ruling]


def _trained(problem: Problem, rate: float, epochs: int, batch_size: int | None) -> tuple[Training, dict[str, Any]]:
    """The run, and the point where it begins."""
    from symgrad.renderers.descent import Training
    from symgrad.training import train
    from symgrad.training.data import prepare

    derivation, data, start = problem.derivation, problem.data, problem.start
    samples = prepare(derivation, data, start, "float64")
    run = train(derivation, data, start, rate, epochs, batch_size, log="steps")
    batch = "all samples" if batch_size is None else "one sample" if batch_size == 1 else f"{batch_size} samples"
    first = batch_size or samples.count
    shown = {name: column[:first] if samples.batched else column[0] for name, column in samples.columns.items()}
    point = {**samples.constants, **samples.parameters, **shown}
    ordered = {name: _plain(point[name]) for name in derivation.primal.leaves if name in point}
    return Training(run, rate, batch), ordered


def _plain(value: Any) -> Any:
    """A Python float, or an array."""
    return value if getattr(value, "shape", ()) else float(value)


def _verified(derivation: Derivation, point: Mapping[str, Any] | None) -> Verification | None:
    """The verification at the point, else at random ones; None, and a warning, where no random point will do."""
    from symgrad.checks import verify

    if point:
        return verify(derivation, point)
    try:
        return verify(derivation)
    except SymgradError as error:
        warnings.warn(f"the report has no verification: {error}", SymgradWarning, stacklevel=2)
        return None


# the file


def _write(made: Report, out: Path) -> None:
    from symgrad.renderers.report import html
    from symgrad.renderers.report_texts import latex, markdown

    writers: dict[str, Callable[[Report], str]] = {".md": markdown, ".tex": latex}
    if out.suffix != ".pdf":
        write(writers.get(out.suffix, html)(made), out)
        return
    page = typeset(latex(made))
    try:
        out.write_bytes(page)
    except OSError as error:
        raise DataError(f"cannot write {out}: {error.strerror or error}.") from None
