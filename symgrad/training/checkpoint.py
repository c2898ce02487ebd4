"""Checkpoints: the last complete step, on disk whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from symgrad.errors import DataError

SCHEMA = 1


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
    epochs: list[float]
    loss: float | None
    optimizer: dict[str, Any]


def save(path: str | Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint so that a reader finds the old one or the new one, never half of either.

    Raises:
        DataError: if the file cannot be written.
    """
    target = Path(path).resolve()  # a link stays a link
    if target.exists() and not target.is_file():
        raise DataError(f"cannot save to {path}: it is not a regular file.")
    text = json.dumps({"schema": SCHEMA, **asdict(checkpoint)})
    name = ""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
        _sync_folder(target.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise DataError(f"cannot save to {path}: {error.strerror or error}.") from None


def refuse_other_files(path: str | Path) -> None:
    """Make sure that saving to `path` would replace nothing but a checkpoint.

    Raises:
        DataError: if there is a file that is none.
    """
    if not str(path):
        raise DataError("cannot save: the name of the file is empty.")
    if Path(path).is_file() and Path(path).stat().st_size:
        try:
            load(path, {})
        except DataError:
            raise DataError(f"cannot save to {path}: a file that is not a checkpoint is there already.") from None


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
    numbers = [number for value in checkpoint.parameters.values() for number in _flat(value)] + checkpoint.epochs
    return (
        isinstance(checkpoint.setting, dict)
        and isinstance(checkpoint.optimizer, dict)
        and isinstance(checkpoint.step, int)
        and checkpoint.step >= 0
        and all(isinstance(number, (int, float)) for number in numbers)
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
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot resume from {path}: {error.strerror or error}.") from None
    except ValueError:
        raise DataError(f"cannot resume from {path}: it is not a checkpoint.") from None
    if not isinstance(document, dict) or document.pop("schema", None) != SCHEMA:
        raise DataError(f"cannot resume from {path}: it is not a checkpoint.")
    try:
        checkpoint = Checkpoint(**document)
        whole = _is_whole(checkpoint)
    except (TypeError, ValueError, AttributeError):
        whole = False
    if not whole:
        raise DataError(f"cannot resume from {path}: it is not a complete checkpoint.")
    for key, value in setting.items():
        if checkpoint.setting.get(key) != value:
            told = "" if key in ("data", "model") else f" ({checkpoint.setting.get(key)!r} there, {value!r} here)"
            raise DataError(f"cannot resume from {path}: it was saved with another {key}{told}.")
    return checkpoint
