"""Columns of data from the command line."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from symgrad.cli.manner import note
from symgrad.core.names import listing
from symgrad.errors import DataError
from symgrad.readers.values import arrays, number, value


def columns(given: Iterable[str], leaves: Collection[str]) -> dict[str, Any]:
    """`--data` as columns: those of a file that the model reads, and those written out; one number is a constant.

    Of a CSV file the columns `X[0]`, `X[1]`, … together are the rows of `X`.

    Raises:
        DataError: if a column is given twice, or a value is not a number.
    """
    found: dict[str, Any] = {}
    for part in given:
        name, equals, text = (piece.strip() for piece in part.partition("="))
        if equals and name.isidentifier():
            new: Mapping[str, Any] = {name: _written_out(name, text)}
        elif not part.strip():
            raise DataError("--data is empty; write NAME=1,2,3 or the name of a CSV file.")
        elif part.strip().endswith(".npz"):
            held = arrays(part.strip())
            new = {name: array for name, array in held.items() if name in leaves}
            _tell_unread(part.strip(), "arrays", [name for name in held if name not in leaves])
        else:
            if part.strip().isidentifier() and not Path(part.strip()).exists():
                raise DataError(f"there is no file {part.strip()!r}; values are written as {part.strip()}=1,2,3.")
            new = _of_csv(part, leaves)
        for column in new:
            if column in found:
                raise DataError(f"--data gives the column {column!r} twice.")
        found.update(new)
    return found


def _written_out(name: str, text: str) -> Any:
    """`1,2,3` or `[[1,2],[3,4]]`; one number is a constant."""
    if text.startswith("["):
        return value(text, f"--data {name}")
    cells = [cell for cell in text.split(",") if cell.strip()]
    if not cells:
        raise DataError(f"--data {name} has no values; write {name}=1,2,3.")
    parsed = [number(cell.strip(), f"--data {name}") for cell in cells]
    return parsed if len(parsed) > 1 or text.endswith(",") else parsed[0]


def _of_csv(path: str, leaves: Collection[str]) -> dict[str, Any]:
    """The columns of a CSV file that the model reads, numbered ones joined."""
    from symgrad.training.data import read_csv

    found: dict[str, Any] = {}
    parts: dict[str, dict[int, list[float]]] = {}
    unread: list[str] = []

    def wanted(header: str) -> bool:
        if header in leaves or _numbered(header)[0] in leaves:
            return True
        unread.append(header)
        return False

    for header, cells in read_csv(path, wanted).items():
        name, place = _numbered(header)
        if header in leaves or place is None:
            found[header] = cells
        else:
            parts.setdefault(name, {})[place] = cells
    _tell_unread(path, "columns", unread)
    for name, numbered in parts.items():
        if sorted(numbered) != list(range(len(numbered))) or name in found:
            raise DataError(f"{path}: the columns of {name!r} are to be {name}[0], {name}[1], … without a gap.")
        found[name] = [list(row) for row in zip(*(numbered[k] for k in range(len(numbered))), strict=True)]
    return found


def _tell_unread(path: str, what: str, names: list[str]) -> None:
    """That a file has more than the loss reads, which is legal, and perhaps a misspelled name."""
    if told := [name for name in names if name]:
        note(f"{path}: the loss does not read the {what if len(told) > 1 else what[:-1]} {listing(told)}.")


def _numbered(header: str) -> tuple[str, int | None]:
    """`X[3]` as `X` and 3."""
    match = re.fullmatch(r"(\w+)\[(\d+)\]", header)
    return (match[1], int(match[2])) if match else (header, None)


def rows(columns: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Columns as points.

    Raises:
        DataError: if they differ in length.
    """
    lengths = {name: len(cells) for name, cells in columns.items() if isinstance(cells, list)}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise DataError(f"the columns of --data differ in length: {told}.")
    for position in range(next(iter(lengths.values()), 1)):
        yield {name: cells[position] if isinstance(cells, list) else cells for name, cells in columns.items()}
