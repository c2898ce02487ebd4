"""The command line: plain Click, one file a command, one error boundary.

Commands import what they need inside their functions: `symgrad --help` loads neither SymPy nor NumPy, and `derive`
never loads torch.
"""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

import click

from symgrad import __version__
from symgrad.cli.audit import audit
from symgrad.cli.check import check
from symgrad.cli.demo import demo
from symgrad.cli.derive import derive
from symgrad.cli.examples import examples
from symgrad.cli.graph import graph
from symgrad.cli.manner import Manner
from symgrad.cli.report import report
from symgrad.cli.train import train
from symgrad.cli.verify import verify
from symgrad.errors import SymgradError, SymgradWarning

INTERNAL = 4
INTERRUPTED = 130
CLOSED_PIPE = 141
"""As a shell reports the signals SIGINT and SIGPIPE."""


class _ClosedPipeError(Exception):
    """Whoever read our output has seen enough."""


class _Group(click.Group):
    """A group that tells a closed pipe from other failures; Click would exit with 1, which here says no."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise _ClosedPipeError from None


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="symgrad")
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="Colour messages.")
@click.option("-q", "--quiet", is_flag=True, help="Tell errors only: no notes, no warnings, no progress.")
@click.option("--debug", is_flag=True, help="Show the traceback of an internal error.")
@click.pass_context
def cli(context: click.Context, color: str, quiet: bool, debug: bool) -> None:
    """Show the work of a gradient, and prove it.

    A loss goes in as text; its derivation by the chain rule comes out, step by named step, compiled to a trainer and
    checked against torch autograd.

    \b
    Example:
      symgrad derive "y_pred = x*w; l = (y_pred - y)**2" --wrt w
    """
    context.color = _wants_color(color)
    if isinstance(context.obj, Manner):
        context.obj.color, context.obj.debug, context.obj.quiet = context.color, debug, quiet


for _command in (demo, derive, train, verify, check, audit, graph, report, examples):
    cli.add_command(_command)


def _wants_color(choice: str) -> bool | None:
    """The choice, then NO_COLOR and FORCE_COLOR; None leaves it to the terminal."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    return True if os.environ.get("FORCE_COLOR") else None


def main() -> None:
    """Run the command line and exit: 0 done, 1 the answer is no, 2 bad input, 3 cannot decide, 4 internal."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # who started us has closed it
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  open to the end
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError:
        _discard_output()
    sys.exit(code)


def _discard_output() -> None:
    """Send what is still buffered nowhere, lest Python complain about it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run(arguments: list[str]) -> int:
    """Run a command and return its exit code; every error ends here."""
    manner = Manner(_wants_color("auto"))

    def show(message: Any, *_: Any, **__: Any) -> None:
        if not manner.quiet:
            manner.say("warning: ", "yellow", str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("always", SymgradWarning)
        warnings.showwarning = show
        return _run(arguments, manner)


def _run(arguments: list[str], manner: Manner) -> int:
    try:
        code = cli.main(arguments, prog_name="symgrad", standalone_mode=False, obj=manner)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as stop:
        return int(stop.exit_code)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except SymgradError as error:
        manner.say("error: ", "red", str(error))
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        manner.say("interrupted", "red", "")
        return INTERRUPTED
    except (_ClosedPipeError, BrokenPipeError):
        _discard_output()
        return CLOSED_PIPE
    except OSError as error:
        manner.say("error: ", "red", f"{error.strerror or error}.")
        return SymgradError.exit_code
    except RecursionError:
        manner.say("error: ", "red", "this model nests too deeply for Python's stack; name its parts.")
        return 3
    except Exception as error:  # noqa: BLE001  the one place where anything unforeseen ends
        if manner.debug:
            traceback.print_exc()
        manner.say(
            "internal error: ", "red", f"{type(error).__name__}: {error} (symgrad --debug … shows the traceback)"
        )
        return INTERNAL
