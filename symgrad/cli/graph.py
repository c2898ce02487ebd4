"""`symgrad graph`."""

from __future__ import annotations

from pathlib import Path

import click

from symgrad.cli.options import (
    SourceCommand,
    at_option,
    evaluated,
    read_source,
    source_argument,
    write,
    wrt_of_source,
    wrt_option,
)
from symgrad.errors import RenderError
from symgrad.readers.values import assignments, values

FORMATS = ("svg", "dot", "mermaid")
PLOTTED = (".png", ".pdf")
SUFFIXES = {".svg": "svg", ".dot": "dot", ".gv": "dot", ".mmd": "mermaid", ".mermaid": "mermaid"}


@click.command(cls=SourceCommand)
@source_argument
@wrt_option
@click.option(
    "-f", "--format", "format_", type=click.Choice(FORMATS), help="Default: by the suffix of the file, else svg."
)
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write here; the suffix chooses the format. A .png or a .pdf needs matplotlib (symgrad[plot]).",
)
@at_option
@click.option("--highlight", metavar="NAME", help="Make every path from this node to the output stand out.")
@click.option(
    "--name", "names", multiple=True, metavar="NAME=LATEX", help=r"Print a name as this, such as y_pred='\hat{y}'."
)
def graph(
    source: str,
    output: str | None,
    wrt: tuple[str, ...],
    format_: str | None,
    out: Path | None,
    at: tuple[str, ...],
    highlight: str | None,
    names: tuple[str, ...],
) -> None:
    """Draw the computational graph, as SVG, DOT or Mermaid, or as PNG or PDF.

    With --at each node shows its value and its adjoint, and each edge its local partial. No other program is needed,
    except matplotlib for PNG and PDF.

    \b
    Example:
      symgrad graph "y_pred = x*w; l = (y_pred - y)**2" --wrt w --at x=3,y=6,w=1 --highlight w -f mermaid
    """
    from symgrad.calculus import derive
    from symgrad.renderers.graph import draw

    read = read_source(source, output)
    chosen, point = wrt_of_source(source, wrt), values(at, "--at")
    derivation = derive(read, chosen) if chosen or point else None
    evaluation = evaluated(derivation, point) if derivation else None
    spelled = assignments(names, "--name")
    if format_ is None and out is not None and out.suffix in PLOTTED:
        from symgrad import plot  # matplotlib is loaded only for what it draws

        plot.save(plot.graph_figure(derivation or read, evaluation, highlight, spelled), out)
        return
    write(draw(derivation or read, format_ or _by_suffix(out), evaluation, highlight, spelled), out)


def _by_suffix(out: Path | None) -> str:
    if out is None:
        return "svg"
    if out.suffix not in SUFFIXES:
        known = ", ".join((*SUFFIXES, *PLOTTED))
        raise RenderError(f"cannot tell a format from {out.name!r}; use {known} or --format.")
    return SUFFIXES[out.suffix]
