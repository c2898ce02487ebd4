"""Every exception symgrad raises on purpose, and the one warning it gives.

An error names the thing, says what was expected and offers one way out. `exit_code` is what the command
line returns for it: 2 for bad input, 3 for what cannot be decided or is not supported.
"""

from __future__ import annotations


class SymgradError(Exception):
    """The root of all errors symgrad raises on purpose."""

    exit_code = 2


class ReadError(SymgradError):
    """A text that cannot be read.

    Args:
        message: what is wrong, what was expected and one way out.
        source: the whole text.
        position: offset of the first offending character in `source`, from 0.
        length: how many characters offend, at least 1.
    """

    def __init__(self, message: str, source: str = "", position: int = 0, length: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.source = source
        self.position = min(max(position, 0), len(source))
        self.length = max(length, 1)

    @property
    def line(self) -> int:
        """Line of the offending character, from 1."""
        return self.source.count("\n", 0, self.position) + 1

    @property
    def column(self) -> int:
        """Column of the offending character, from 1."""
        return self.position - (self.source.rfind("\n", 0, self.position) + 1) + 1

    def __str__(self) -> str:
        if not self.source:
            return self.message
        text = self.source.splitlines()[self.line - 1] if self.position < len(self.source) else ""
        what, _, way_out = self.message.partition(". ")
        head = f"{what.rstrip('.')} at line {self.line}, column {self.column}." + (f" {way_out}" if way_out else "")
        if not text.strip():
            return head
        window, column = _window(text, self.column - 1)
        caret = "^" * min(self.length, max(len(window) - column, 1))
        return f"{head}\n    {window}\n    {' ' * column}{caret}"


def _window(text: str, column: int, width: int = 100) -> tuple[str, int]:
    """The part of a long line around `column`, and the column in that part."""
    text = "".join(c if c.isprintable() else "?" for c in text)
    if len(text) <= width:
        return text, column
    start = max(0, min(column - width // 2, len(text) - width))
    return text[start : start + width], column - start


class GraphError(SymgradError):
    """A graph that breaks an invariant, or a name that is not in it."""


class NotDifferentiableError(SymgradError):
    """A derivative that does not exist or has no rule."""

    exit_code = 3


class RenderError(SymgradError):
    """A format or a notation that cannot say what is asked."""


class BackendError(SymgradError):
    """A backend that is unknown, not installed or cannot compute what is asked."""

    exit_code = 3


class DataError(SymgradError):
    """Data that is missing, malformed or not finite."""


class NonFiniteError(SymgradError):
    """A training run that met infinity or NaN.

    Args:
        message: the step, the sample and the node where it began.
        run: the `Run` up to the last complete step; nothing of it is lost.
    """

    exit_code = 3

    def __init__(self, message: str, run: object = None) -> None:
        super().__init__(message)
        self.run = run


class SymgradWarning(UserWarning):
    """Something legal that is probably not what was meant."""
