"""`symgrad derive`."""

from __future__ import annotations

from pathlib import Path

import click

from symgrad.cli.options import (
    SourceCommand,
    at_option,
    chosen_format,
    evaluated,
    format_options,
    name_option,
    read_source,
    source_argument,
    worksheet_options,
    write,
    wrt_of_source,
    wrt_option,
)
from symgrad.readers.values import assignments, values


@click.command(cls=SourceCommand)
@source_argument
@wrt_option
@format_options
@click.option(
    "-d",
    "--detail",
    type=click.Choice(["answer", "chain", "steps", "elementary"]),
    default="steps",
    show_default=True,
    help="How much to show; elementary splits every definition into single operations.",
)
@at_option
@click.option(
    "--notation", type=click.Choice(["auto", "partial", "total"]), default="auto", show_default=True, help="∂ or d."
)
@name_option
@click.option("--indices", is_flag=True, help="Every line in index notation, where there are tensors.")
@worksheet_options
def derive(
    source: str,
    output: str | None,
    wrt: tuple[str, ...],
    format_: str,
    out: Path | None,
    detail: str,
    at: tuple[str, ...],
    notation: str,
    names: tuple[str, ...],
    indices: bool,
    blanks: bool,
    solutions: bool,
) -> None:
    """Print the derivation of a gradient by the chain rule.

    SOURCE is text, - for standard input, or a file: model.sg, or a model.json that derive -f json wrote.

    \b
    Example:
      symgrad derive "y_pred = x*w; l = (y_pred - y)**2" --wrt w --at x=3,y=6,w=1
    """
    from symgrad.calculus import derive as differentiate
    from symgrad.calculus.elementary import elementary
    from symgrad.renderers import render

    graph = read_source(source, output)
    if detail == "elementary":
        graph, detail = elementary(graph), "steps"
    derivation = differentiate(graph, wrt_of_source(source, wrt))
    text = render(
        derivation,
        chosen_format(format_, out),
        evaluation=evaluated(derivation, values(at, "--at")),
        detail=detail,  # type: ignore[arg-type]  # Click has checked the choice
        notation=notation,  # type: ignore[arg-type]
        names=assignments(names, "--name"),
        tensors="index" if indices else "auto",
        blanks=blanks,
        solutions=solutions,
    )
    write(text, out)
