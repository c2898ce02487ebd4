"""`symgrad audit`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from symgrad.cli.manner import manner
from symgrad.cli.options import write
from symgrad.errors import RenderError

if TYPE_CHECKING:
    from symgrad.audit.survey import Progress

SUFFIXES = {".txt": "text", ".md": "markdown", ".json": "json"}


@click.command()
@click.argument("names", metavar="[OP]...", nargs=-1)
@click.option("--dtype", type=click.Choice(["float32", "float64", "both"]), default="both", show_default=True)
@click.option("--order", type=click.IntRange(1, 2), default=1, show_default=True, help="First or second derivatives.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the points.")
@click.option(
    "-f",
    "--format",
    "format_",
    type=click.Choice(["auto", *SUFFIXES.values()]),
    default="auto",
    help="auto is text, or what the suffix of --out says.",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write here; the suffix chooses the format.",
)
def audit(names: tuple[str, ...], dtype: str, order: int, seed: int, format_: str, out: Path | None) -> int:
    """Check torch's own derivatives against certified values.

    OP is a pointwise operation or a loss of torch, such as exp, special.i0e or mse_loss; without any, all of them are
    audited, in half a minute. Each is evaluated at ordinary points and at hard ones (zero, denormals, edges, kinks,
    poles, large numbers). Exit code 1 if a derivative is wrong or not finite somewhere.

    \b
    Example:
      symgrad audit exp tanh mse_loss --dtype float64
    """
    from symgrad.audit import DTYPES, examine
    from symgrad.renderers.audit import audit_to

    chosen = _format(format_, out)
    with _progress() as progress:
        found = examine(names, DTYPES if dtype == "both" else (dtype,), order=order, seed=seed, progress=progress)
    write(audit_to(found, chosen), out)
    return 0 if found.passed else 1


def _format(format_: str, out: Path | None) -> str:
    if format_ != "auto":
        return format_
    if out is None:
        return "text"
    if out.suffix not in SUFFIXES:
        raise RenderError(f"cannot tell a format from {out.name!r}; use {', '.join(SUFFIXES)} or --format.")
    return SUFFIXES[out.suffix]


@contextmanager
def _progress() -> Iterator[Progress | None]:
    """Shows on a terminal what is being audited, and leaves no trace."""
    if not sys.stderr.isatty() or manner().quiet:
        yield None
        return

    def show(title: str, done: int, count: int) -> None:
        click.echo(f"\r\033[K{done}/{count} {title}"[:100], nl=False, err=True)

    try:
        yield show
    finally:
        click.echo("\r\033[K", nl=False, err=True)
