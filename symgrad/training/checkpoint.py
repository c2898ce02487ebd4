"""Checkpoints: the last complete step, on disk whole or not at all.

A file is lines of JSON: first a whole checkpoint, then what each further save changed, with the losses since the one
before. A line that was not written to its end is none, so that a run killed at any moment leaves a complete step
behind. When the further lines outweigh the first, a new file takes the place of the old one. What is written in all
grows with the run, not with its square.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from symgrad.errors import DataError, SymgradWarning

SCHEMA = 2
READABLE = (1, 2)
"""The first had a single line, which every save wrote anew."""

ROOM = 1 << 16
"""Bytes of further lines below which a file is never written anew."""


@dataclass(frozen=True)
class Checkpoint:
    """A run after a complete step.

    Args:
        setting: what the run depends on; a resumed run must match it.
        parameters: their values, nested lists for tensors, each exact in the run's precision.
        step: how many steps are done.
        epochs: the losses of the complete epochs.
        loss: the loss of the last step, which an epoch that ends there reports.
        optimizer: the optimizer's own state.
    """

    setting: dict[str, Any]
    parameters: dict[str, Any]
    step: int
    epochs: Sequence[float]
    loss: float | None
    optimizer: dict[str, Any]


class Saver:
    """Saves one run, step after step, so that a reader finds the last one or the new one, never half of either.

    Args:
        path: the file; a link stays a link.

    Raises:
        DataError: if there is another kind of file, or nothing can be written there.
    """

    def __init__(self, path: str | Path) -> None:
        self.path, self.target = path, Path(path).resolve()
        self.whole = self.further = self.losses = 0  # bytes of the first line, of those below; losses in all of them
        self.left: tuple[int, int, int] | None = None  # the file as the last save left it
        self.warned = False
        _refuse_other_files(path, self.target)
        with self._failing_clearly():
            tempfile.TemporaryFile(dir=self.target.parent).close()

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint.

        Raises:
            DataError: if the file cannot be written; the step saved before stands.
        """
        with self._failing_clearly():
            if self.further >= max(self.whole, ROOM) or not self._appended(checkpoint):
                self._replaced(checkpoint)
        self.losses = len(checkpoint.epochs)

    @contextlib.contextmanager
    def _failing_clearly(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DataError(f"cannot save to {self.path}: {error.strerror or error}.") from None

    def _appended(self, checkpoint: Checkpoint) -> bool:
        """Write a further line, if the file is still as the last save left it."""
        if self.left is None or not self.target.exists():
            return False
        with self.target.open("r+b", buffering=0) as file:
            if _identity(file.fileno()) != self.left:
                self._warn_of_another()
                return False
            news = {**vars(checkpoint), "epochs": [*checkpoint.epochs[self.losses :]]}
            del news["setting"]
            end = file.seek(0, os.SEEK_END)
            line = _line(news)
            try:
                rest = memoryview(line)
                while rest:
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            except OSError:
                with contextlib.suppress(OSError):
                    file.truncate(end)
                raise
            self.further += len(line)
            self.left = _identity(file.fileno())
        return True

    def _replaced(self, checkpoint: Checkpoint) -> None:
        """Write a new file and give it the name of the old one."""
        name = ""
        try:
            descriptor, name = tempfile.mkstemp(prefix=f".{self.target.name}.", dir=self.target.parent)
            with os.fdopen(descriptor, "wb") as file:
                whole = {"schema": SCHEMA, **vars(checkpoint), "epochs": [*checkpoint.epochs]}
                self.whole, self.further = file.write(_line(whole)), 0
                file.flush()
                os.fsync(file.fileno())
                self.left = _identity(file.fileno())
            Path(name).replace(self.target)
            _sync_folder(self.target.parent)
        except OSError:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise

    def _warn_of_another(self) -> None:
        if not self.warned:
            self.warned = True
            words = "another program has written to it since this run saved there; from now on this run replaces it."
            warnings.warn(f"{self.path}: {words}", SymgradWarning, stacklevel=2)


def _identity(descriptor: int) -> tuple[int, int, int]:
    """Which file it is, and how long."""
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino, found.st_size


def _line(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode() + b"\n"


def _refuse_other_files(path: str | Path, target: Path) -> None:
    """Make sure that saving to `target` would replace nothing but a checkpoint."""
    if not str(path):
        raise DataError("cannot save: the name of the file is empty.")
    if target.exists() and not target.is_file():
        raise DataError(f"cannot save to {path}: it is not a regular file.")
    if target.is_file() and target.stat().st_size:
        try:
            _read(target)
        except _NoCheckpointError as error:
            raise DataError(f"cannot save to {path}: what is there already would be lost, and {error}.") from None


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError, AttributeError):  # some systems cannot open a folder; the rename stands anyway
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _flat(value: Any) -> list[Any]:
    """The numbers of nested lists."""
    return [number for part in value for number in _flat(part)] if isinstance(value, list) else [value]


def _is_whole(checkpoint: Checkpoint) -> bool:
    """Whether every field holds what it should."""
    numbers = [number for value in checkpoint.parameters.values() for number in _flat(value)]
    return (
        isinstance(checkpoint.setting, dict)
        and isinstance(checkpoint.optimizer, dict)
        and isinstance(checkpoint.epochs, list)
        and isinstance(checkpoint.step, int)
        and checkpoint.step >= 0
        and all(isinstance(number, (int, float)) for number in (*numbers, *checkpoint.epochs))
    )


def load(path: str | Path, setting: dict[str, Any]) -> Checkpoint:
    """Read a checkpoint and make sure that it continues this run.

    Args:
        path: the file.
        setting: the setting of the run that wants to go on.

    Raises:
        DataError: if there is no such file, it is not a checkpoint, or it belongs to another run.
    """
    try:
        checkpoint = _read(path)
    except OSError as error:
        raise DataError(f"cannot resume from {path}: {error.strerror or error}.") from None
    except _NoCheckpointError as error:
        raise DataError(f"cannot resume from {path}: {error}.") from None
    for key, value in setting.items():
        if checkpoint.setting.get(key) != value:
            told = "" if key in ("data", "model") else f" ({checkpoint.setting.get(key)!r} there, {value!r} here)"
            raise DataError(f"cannot resume from {path}: it was saved with another {key}{told}.")
    return checkpoint


class _NoCheckpointError(Exception):
    """What is wrong with a file, as a part of a sentence."""


def _read(path: str | Path) -> Checkpoint:
    """The checkpoint in a file.

    Raises:
        OSError: if there is no such file.
        _NoCheckpointError: if it holds none.
    """
    first, *further = Path(path).read_text(encoding="utf-8", errors="replace").split("\n")
    try:
        document = json.loads(first)
        schema = document.pop("schema")
    except (ValueError, RecursionError, AttributeError, TypeError, KeyError):
        raise _NoCheckpointError("it is not a checkpoint") from None
    if schema not in READABLE:
        raise _NoCheckpointError(
            f"it is a checkpoint of version {schema!r}, and this symgrad reads {READABLE[0]} to {READABLE[-1]}; "
            "use the symgrad that saved it"
        )
    try:
        checkpoint = _with_further(Checkpoint(**document), further)
        whole = _is_whole(checkpoint)
    except (TypeError, ValueError, AttributeError, KeyError, RecursionError):
        whole = False
    if not whole:
        raise _NoCheckpointError("it is not a complete checkpoint")
    return checkpoint


def _with_further(checkpoint: Checkpoint, lines: Sequence[str]) -> Checkpoint:
    """The checkpoint after what each line changed; the last line may have come to disk in part.

    Raises:
        ValueError: if another is damaged.
        KeyError: if one has no losses.
        TypeError: if one has not the fields of a checkpoint.
    """
    epochs = checkpoint.epochs
    written = lines[:-1]  # what stands behind the last end of a line is not complete
    for position, line in enumerate(written):
        try:
            news = json.loads(line)
        except ValueError:
            if position < len(written) - 1:
                raise
            break
        epochs += news.pop("epochs")
        checkpoint = replace(checkpoint, **news)
    return replace(checkpoint, epochs=epochs)
