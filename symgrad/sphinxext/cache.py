"""What was derived before is kept under the doctrees, by what went into it."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from importlib import metadata
from pathlib import Path

from symgrad.sphinxext.request import Printed, Request

REFEREES = ("sympy", "numpy", "scipy", "python-flint", "mpmath", "torch")
"""The packages whose versions a result may depend on."""


@cache
def fingerprint() -> str:
    """Of symgrad's own code and of the versions of what it computes with; torch is not loaded for it."""
    digest = hashlib.sha256()
    package = Path(__file__).parent.parent
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    for name in REFEREES:
        digest.update(f"{name} {_version(name)}\n".encode())
    return digest.hexdigest()


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "none"


def kept(folder: Path, kind: str, request: Request, work: Callable[[Request], Printed]) -> Printed:
    """What `work` makes of a request, from the folder if it was made before.

    An entry that cannot be read, or is not what was written, is ignored and made anew. A mistake is not kept.
    """
    key = _digest([kind, fingerprint(), asdict(request)])
    path = folder / f"{key}.json"
    found = _read(path)
    if found is None:
        found = work(request)
        _write(path, found)
    return found


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=True).encode()).hexdigest()


def _read(path: Path) -> Printed | None:
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
        if entry["sum"] != _digest(entry["printed"]):
            return None
        fields = dict(entry["printed"])
        for name in ("pieces", "warnings"):
            fields[name] = tuple((str(kind), str(text)) for kind, text in fields[name])
        return Printed(**fields)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, made: Printed) -> None:
    """Write an entry whole or not at all, since several processes may; where that is not possible, none is kept."""
    fields = asdict(made)
    text = json.dumps({"sum": _digest(fields), "printed": fields}, ensure_ascii=True)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except OSError:
        return
