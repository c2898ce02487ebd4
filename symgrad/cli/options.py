"""What several commands share: the source, values given by name, where the output goes."""

from __future__ import annotations

import contextlib
import re
import shlex
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from symgrad.cli.manner import note
from symgrad.errors import DataError, ReadError, RenderError

if TYPE_CHECKING:
    from symgrad.core.derivation import Derivation
    from symgrad.core.graph import Graph
    from symgrad.core.results import Evaluation, Ruling

F = TypeVar("F", bound=Callable[..., Any])

FORMATS = ("auto", "text", "unicode", "latex", "markdown", "html", "json")
EXIT_CODES: Mapping[Ruling, int] = {"yes": 0, "no": 1, "undecided": 3}
SUFFIXES = {".txt": "text", ".tex": "latex", ".md": "markdown", ".html": "html", ".json": "json"}


class SourceCommand(click.Command):
    """A command whose SOURCE may begin with a minus: `symgrad derive "-w*x"` means what it says."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Click's own, after the source has been marked."""
        return super().parse_args(ctx, self._with_source_marked(args))

    def _with_source_marked(self, args: list[str]) -> list[str]:
        """`args` with `--` before the first argument that can only be an expression, if no other source is there."""
        options = [p for p in self.params if isinstance(p, click.Option)]
        takes_value = {o: not p.is_flag for p in options for o in (*p.opts, *p.secondary_opts)}
        takes_value |= {"-h": False, "--help": False}
        expression: int | None = None
        position = 0
        while position < len(args):
            argument = args[position]
            if argument in ("--", "-") or not argument.startswith("-"):
                return args  # the source is there; whatever else begins with a minus is for Click to judge
            if takes_value.get(argument):
                position += 1
            elif expression is None and _is_expression(argument, takes_value):
                expression = position
            position += 1
        if expression is None:
            return args
        return [*args[:expression], *args[expression + 1 :], "--", args[expression]]


def _is_expression(argument: str, known: Collection[str]) -> bool:
    """Whether an argument that begins with a minus is mathematics and not an option."""
    name = argument.partition("=")[0]
    if name in known:
        return False
    if re.fullmatch(r"--[a-z][a-z-]+", name):
        return False  # a misspelled option, which Click will name
    return re.fullmatch(r"-[a-z][\w,.]*", argument) is None or argument[:2] not in known


def source_argument(function: F) -> F:
    """SOURCE, and which of its nodes is the output."""
    function = click.option(
        "--output", metavar="NAME", help="The node to differentiate; the last definition by default."
    )(function)
    return click.argument("source", metavar="SOURCE")(function)


def wrt_option(function: F) -> F:
    """`--wrt`, repeatable, with comma lists."""
    text = "Differentiate by this leaf; repeat it or list several with commas. Default: every leaf."
    return click.option("-w", "--wrt", multiple=True, metavar="NAME", help=text)(function)


def format_options(function: F) -> F:
    """`--format` and `-o`."""
    function = click.option(
        "-o",
        "--out",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Write here; the suffix chooses the format.",
    )(function)
    text = "auto is unicode on a terminal that can show it, else text."
    return click.option("-f", "--format", "format_", type=click.Choice(FORMATS), default="auto", help=text)(function)


def at_option(function: F) -> F:
    """`--at`."""
    text = "Values at a point, such as x=3,w=1 or x=[1,2],W=[[1,0],[0,1]], or a FILE.npz."
    return click.option("--at", multiple=True, metavar="NAME=VALUE,…", help=text)(function)


def dtype_option(function: F) -> F:
    """`--dtype`."""
    return click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float64", show_default=True)(
        function
    )


def name_option(function: F) -> F:
    """`--name`."""
    text = r"Print a name as this, such as y_pred='\hat{y}'."
    return click.option("--name", "names", multiple=True, metavar="NAME=LATEX", help=text)(function)


def worksheet_options(function: F) -> F:
    """`--blanks` and `--solutions`."""
    text = "The key to the worksheet; with --blanks the sheet, then the key."
    function = click.option("--solutions", is_flag=True, help=text)(function)
    text = "A worksheet: numbered blanks in place of right-hand sides and values."
    return click.option("--blanks", is_flag=True, help=text)(function)


class BatchSize(click.ParamType):  # type: ignore[type-arg]  # generic only in newer versions of Click
    """A whole number, or `full`."""

    name = "N|full"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """The size, None for all samples."""
        if value == "full" or value is None:
            return None
        try:
            size = int(value)
        except ValueError:
            size = 0
        if size < 1:
            self.fail(f"{value!r} is neither a whole number from 1 on nor 'full'.", param, ctx)
        return size


def descent_options(function: F) -> F:
    """`--init`, `--lr`, `--epochs` and `--batch-size`: what every training by gradient descent is told."""
    text = "Where the trained leaves start, and constants: values, or zeros, ones, glorot, normal."
    options = (
        click.option("--init", multiple=True, metavar="NAME=VALUE,…", help=text),
        click.option("--lr", default="0.01", show_default=True, metavar="RATE", help="Learning rate."),
        click.option("--epochs", type=click.IntRange(0), default=10, show_default=True),
        click.option(
            "--batch-size", type=BatchSize(), default="1", show_default=True, help="Samples an update, or full."
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def read_source(source: str, output: str | None) -> Graph:
    """The graph of SOURCE: text, `-` for standard input, or a file.

    Raises:
        ReadError: if it cannot be read.
    """
    from symgrad.readers import read, read_file

    if source == "-":
        with click.open_file("-", encoding="utf-8-sig") as stdin:
            try:
                text = stdin.read()
            except UnicodeDecodeError:
                raise ReadError("standard input is not UTF-8 text.") from None
        return read(text, output=output)
    _hint_at_another_reading(source)
    path, _, function = source.rpartition(":")
    if (path.endswith(".py") and function.isidentifier()) or source.endswith(".py"):
        raise _UnsupportedError(
            f"{source}: reading Python functions is not part of this version; write the loss as text."
        )
    if Path(source).suffix in (".sg", ".json") and "=" not in source:
        return read_file(source, output=output)
    return read(source, output=output)


def _hint_at_another_reading(source: str) -> None:
    """SOURCE is text, or a file by its suffix; whoever names an example or another file may have meant that."""
    from symgrad.examples import ORDER

    name, is_path = source.strip().removesuffix(".sg"), Path(source).suffix in (".sg", ".json")
    as_what = "a file" if is_path else "a formula"
    command = click.get_current_context().info_name
    with contextlib.suppress(OSError):  # a long formula is no name of a file
        if Path(source).is_file():
            if not is_path:
                note(f"{source!r} is read as a formula; for the file: symgrad {command} - < {shlex.quote(source)}")
        elif name in ORDER:
            note(f"{source!r} is read as {as_what}; for the example: symgrad examples {name} | symgrad {command} -")


def wrt_of_source(source: str, wrt: tuple[str, ...]) -> list[str] | None:
    """The names given with `--wrt`; for a JSON source without any, those it was derived by."""
    names = [name.strip() for part in wrt for name in part.split(",") if name.strip()]
    if names:
        return names
    if wrt:
        raise DataError("--wrt is empty; name a leaf, or leave it out for every leaf.")
    if Path(source).suffix == ".json" and "=" not in source:
        from symgrad.readers.json import wrt_of

        found = wrt_of(Path(source).read_text(encoding="utf-8-sig"))
        return list(found) if found else None
    return None


def evaluated(derivation: Derivation, point: Mapping[str, Any]) -> Evaluation | None:
    """The numbers at a point, None where there is no point; where the output has no value, a note says so."""
    if not point:
        return None
    import numpy  # loaded only for numbers

    from symgrad.backends import compile

    found = compile(derivation)(point)
    if not numpy.isfinite(found.value).all():
        note(f"{derivation.output} has no finite value at this point, and so no derivative.")
    return found


class _UnsupportedError(ReadError):
    exit_code = 3


def chosen_format(format_: str, out: Path | None) -> str:
    """The format to print: what was asked for, else by the file's suffix, else what the terminal can show.

    Raises:
        RenderError: if the suffix says nothing.
    """
    if format_ == "auto" and out is not None:
        if out.suffix not in SUFFIXES:
            raise RenderError(f"cannot tell a format from {out.name!r}; use {', '.join(SUFFIXES)} or --format.")
        return SUFFIXES[out.suffix]
    if format_ == "auto":
        return "unicode" if sys.stdout.isatty() and _can_show_unicode() else "text"
    if format_ == "unicode" and out is None and not _can_show_unicode():
        note("this output cannot show Unicode; using text")
        return "text"
    return format_


def _can_show_unicode() -> bool:
    try:
        "∂·−²√→ŷ≈".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def write(text: str, out: Path | None) -> None:
    """Print, or write to a file.

    Raises:
        DataError: if the file cannot be written.
    """
    if out is None:
        click.echo(text)
        return
    try:
        out.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot write {out}: {error.strerror or error}.") from None
