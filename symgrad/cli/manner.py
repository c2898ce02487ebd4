"""How a command speaks beside its result: notes, warnings and errors on standard error."""

from __future__ import annotations

from dataclasses import dataclass

import click


@dataclass
class Manner:
    """How to speak; the group's options set it, and it outlives the command.

    Args:
        color: whether messages are coloured; None leaves it to the terminal.
        debug: whether an internal error shows its traceback.
        quiet: whether errors alone are told.
    """

    color: bool | None = None
    debug: bool = False
    quiet: bool = False

    def say(self, head: str, color: str, text: str) -> None:
        """One message on standard error."""
        click.echo(click.style(head, fg=color, bold=True) + text, err=True, color=self.color)


def manner() -> Manner:
    """That of the command under way."""
    context = click.get_current_context(silent=True)
    return (context and context.find_object(Manner)) or Manner()


def note(text: str) -> None:
    """What a user may want to know although nothing is wrong; nothing with --quiet."""
    if not manner().quiet:
        manner().say("note: ", "cyan", text)
