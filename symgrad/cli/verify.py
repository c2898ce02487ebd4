"""`symgrad verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from symgrad.cli.options import (
    EXIT_CODES,
    SourceCommand,
    at_option,
    chosen_format,
    dtype_option,
    format_options,
    read_source,
    source_argument,
    write,
    wrt_of_source,
    wrt_option,
)
from symgrad.errors import DataError
from symgrad.readers.values import values


@click.command(cls=SourceCommand)
@source_argument
@wrt_option
@at_option
@click.option(
    "--data", multiple=True, metavar="DATA", help="Points from columns: FILE.csv, or NAME=1,2,3 (repeatable)."
)
@click.option("--random", "count", type=click.IntRange(1, 10_000), help="This many random points. Default: 5.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the random points.")
@click.option(
    "--against",
    metavar="FILE.py:NAME",
    help="Judge the gradients of this function instead. Your file is imported, which runs it; no other option or "
    "command of symgrad runs a file.",
)
@click.option("--certify", is_flag=True, help="Tell too how far both programs are from the true values.")
@dtype_option
@format_options
def verify(
    source: str,
    output: str | None,
    wrt: tuple[str, ...],
    at: tuple[str, ...],
    data: tuple[str, ...],
    count: int | None,
    seed: int,
    against: str | None,
    certify: bool,
    dtype: str,
    format_: str,
    out: Path | None,
) -> int:
    """Check every local partial, adjoint and gradient against torch autograd.

    Each step of both programs is also recomputed rigorously, with the rounding of that one step as its budget. Exit
    code 1 if anything disagrees, 3 if the loss has no finite value there, and so no derivative. With --against, the
    gradients of a function of yours are judged instead: a torch.autograd.Function, a function of tensors, or one that
    returns gradients.

    \b
    Example:
      symgrad verify "y_pred = x*w; l = (y_pred - y)**2" --wrt w --at x=3,y=6,w=1
    """
    from symgrad.calculus import derive
    from symgrad.checks import verify as judge
    from symgrad.cli.columns import columns, rows
    from symgrad.renderers import render

    derivation = derive(read_source(source, output), wrt_of_source(source, wrt))
    if data and count is not None:
        raise DataError("--data gives the points and --random draws them; give one of the two.")
    point = values(at, "--at")
    points: Any = None
    if data:
        points = [{**point, **row} for row in rows(columns(data, derivation.primal.leaves))]
        graph = derivation.gradient
        points = [{n: v for n, v in p.items() if n in graph or n not in derivation.primal} for p in points]
    elif point and count is None:
        points = point
    elif point:
        from symgrad.checks.points import random_points

        points = random_points(derivation, count or 1, seed, fixed=point, dtype=dtype)
    if against is None:
        verification = judge(derivation, points, random=count or 5, seed=seed, dtype=dtype, certify=certify)
    else:
        from symgrad.cli.against import imported
        from symgrad.foreign.judgement import verify_function

        function = imported(against)
        verification = verify_function(function, derivation, points, random=count or 5, seed=seed, dtype=dtype)
    write(render(verification, chosen_format(format_, out)), out)
    return EXIT_CODES[verification.ruling]
