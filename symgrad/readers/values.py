"""Values given by name: numbers, nested lists, files of arrays."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from symgrad.errors import DataError, SymgradError

Value: TypeAlias = "float | list[Value]"
"""A number, or nested lists of numbers."""

_DEEPEST = 8


def assignments(given: Iterable[str], option: str) -> dict[str, str]:
    """`("x=3,w=[1,2]", "y=2")` as names and texts; commas within brackets do not separate.

    Raises:
        DataError: if a part is not an assignment, or a name occurs twice.
    """
    found: dict[str, str] = {}
    for part in given:
        for pair in _split(part, f"{option} {part.strip()!r}"):
            name, equals, value = (piece.strip() for piece in pair.partition("="))
            if not pair.strip():
                continue
            if not equals or not name or not value:
                raise DataError(f"{option} takes NAME=VALUE, separated by commas; {pair.strip()!r} is not that.")
            if name in found:
                raise DataError(f"{option} gives {name!r} twice.")
            found[name] = value
    return found


def values(given: Iterable[str], option: str, rules: Iterable[str] = ()) -> dict[str, Value | str]:
    """As `assignments`, each value read; a part that names a `.npz` file stands for the arrays in it.

    Args:
        given: the option's texts.
        option: its name, for messages.
        rules: words that are kept as they are.
    """
    found: dict[str, Value | str] = {}
    for part in given:
        if "=" not in part and part.strip().endswith(".npz"):
            new: dict[str, Value | str] = dict(arrays(part.strip()))
        else:
            new = {
                name: text if text in rules else value(text, f"{option} {name}")
                for name, text in assignments([part], option).items()
            }
        twice = next((name for name in new if name in found), None)
        if twice is not None:
            raise DataError(f"{option} gives {twice!r} twice.")
        found.update(new)
    return found


def value(text: str, place: str) -> Value:
    """A number, or nested lists of numbers in brackets.

    Raises:
        DataError: if it is neither, or the lists do not form an array.
    """
    text = text.strip()
    if not text.startswith("["):
        return number(text, place)
    read = _nested(text, place, _DEEPEST)
    if _shape(read) is None:
        raise DataError(f"{place}: the rows of {_cut(text)} differ in length.")
    return read


def _nested(text: str, place: str, deepest: int) -> Value:
    text = text.strip()
    if not text.startswith("["):
        return number(text, place)
    if not text.endswith("]") or not deepest:
        raise DataError(f"{place}: {_cut(text)} is not a list of numbers.")
    inside = text[1:-1].strip()
    if not inside:
        raise DataError(f"{place}: an empty list is no value.")
    return [_nested(part, place, deepest - 1) for part in _split(inside, place)]


def _shape(read: Value) -> tuple[int, ...] | None:
    """The shape of nested lists; None where rows differ."""
    if not isinstance(read, list):
        return ()
    shapes = {_shape(part) for part in read}
    if len(shapes) != 1 or None in shapes:
        return None
    (inner,) = shapes
    return None if inner is None else (len(read), *inner)


def _split(text: str, place: str) -> list[str]:
    """At commas outside brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += {"[": 1, "]": -1}.get(character, 0)
        if depth < 0:
            raise DataError(f"{place}: there is a ']' too many.")
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    if depth:
        raise DataError(f"{place}: there is a '[' that is never closed.")
    return parts


def number(text: str, place: str) -> float:
    """A finite number from text, or from a constant expression such as `pi/2`.

    Raises:
        DataError: if it is none.
    """
    try:
        read = float(text if text.isascii() and "_" not in text else "")  # Python reads 1_0 and other scripts' digits
    except ValueError:
        read = _constant(text, place)
    if not math.isfinite(read):
        raise DataError(f"{place}: {text} is not a finite number.")
    return read


def _constant(text: str, place: str) -> float:
    from symgrad.calculus.numeric import constant_value
    from symgrad.readers.text import read_expression

    try:
        read = constant_value(read_expression(text))
    except SymgradError:
        read = None
    if not isinstance(read, float):
        hint = "; write - for its minus" if "−" in text else "; commas separate values" if "=" in text else ""
        raise DataError(f"{place}: {text!r} is not a number{hint}.")
    return read


def arrays(path: str | Path) -> dict[str, Value]:
    """The arrays of a `.npz` file, by name.

    Raises:
        DataError: if it cannot be read or holds anything but numbers; pickled objects are never loaded.
    """
    import zipfile
    import zlib

    import numpy

    try:
        with Path(path).open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise DataError(f"{path} is no .npz file; numpy.savez writes one.")
            with numpy.load(file, allow_pickle=False) as held:
                found = {name: held[name] for name in held.files}
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}.") from None
    except (ValueError, EOFError, KeyError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"cannot read {path}: {str(error).rstrip('.')}.") from None
    stranger = next((name for name, array in found.items() if isinstance(array, bytes)), None)
    if stranger is not None:
        raise DataError(f"cannot read {path}: {stranger!r} in it is no array.")
    return {name: array.tolist() for name, array in found.items()}


def _cut(text: str) -> str:
    return repr(text if len(text) < 60 else text[:57] + "…")
