"""`symgrad check`."""

from __future__ import annotations

from pathlib import Path

import click

from symgrad.cli.options import (
    EXIT_CODES,
    SourceCommand,
    at_option,
    chosen_format,
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
@click.option("--answer", required=True, metavar="EXPR", help="The derivative made by hand.")
@wrt_option
@at_option
@click.option(
    "-f",
    "--format",
    "format_",
    type=click.Choice(["auto", "text", "unicode", "json"]),
    default="auto",
    help="auto is unicode on a terminal that can show it, else text.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write here.")
def check(
    source: str,
    output: str | None,
    answer: str,
    wrt: tuple[str, ...],
    at: tuple[str, ...],
    format_: str,
    as_json: bool,
    out: Path | None,
) -> int:
    """Judge a derivative made by hand, and say what is wrong with it.

    EXPR may use leaves, intermediates and other derivatives (dl_dy_pred). With tensors it is in NumPy's style,
    outer(r, x), or in index notation with its left-hand side, "dL_dW[i,j] = r[i]*x[j]". Exit code 1 if it is wrong, 3
    if that cannot be decided.

    \b
    Example:
      symgrad check "y_pred = x*w; l = (y_pred - y)**2" --wrt w --answer "2*x*(x*w - y)"
    """
    from symgrad.answers.comparison import check as judge
    from symgrad.answers.handmade import named_on_the_left
    from symgrad.calculus import derive
    from symgrad.renderers.answers import render_answer

    names = wrt_of_source(source, wrt)
    derivation = derive(read_source(source, output), names)
    asked = derivation.wrt
    if len(asked) > 1:
        told = named_on_the_left(answer, derivation)
        asked = (told,) if told in asked and told is not None else asked
    if len(asked) != 1:
        listed = ", ".join(asked)
        raise DataError(f"which of {listed} is the answer the derivative by? Say so with --wrt, as in -w {asked[0]}.")
    point = values(at, "--at")
    judged = judge(derivation, asked[0], answer, at=point or None)
    chosen = "json" if as_json else chosen_format(format_, out)
    write(render_answer(judged, chosen), out)
    return EXIT_CODES[judged.ruling]
