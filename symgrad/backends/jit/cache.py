"""Compiled code on disk, by content: a cache that cannot be used is not used, and nobody is told.

A file is the SHA-256 of its contents and then the contents, so that a damaged one is found out; it is written under
another name and renamed, so that a reader finds all of it or nothing. Code that others may have written is not run: the
folder and the file must be this user's own and writable by nobody else. Other files in the folder are left alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
import tempfile
from pathlib import Path

LIMIT = 64 * 2**20
"""Bytes kept; beyond it the files unused for longest go, until half is left."""

_DIGEST = 32
_NAME = re.compile(r"[0-9a-f]{64}\.o|\.symgrad-\w+\.tmp")


def folder() -> Path:
    """Where compiled code is kept: `SYMGRAD_CACHE_DIR`, or `symgrad` in the platform's folder for a user's caches."""
    if chosen := os.environ.get("SYMGRAD_CACHE_DIR"):
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "symgrad" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "symgrad"
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(chosen) if Path(chosen).is_absolute() else Path.home() / ".cache") / "symgrad"


def read(key: str) -> bytes | None:
    """The contents kept under a key, None if there are none or they are damaged."""
    try:
        place = folder()
        if not _is_own(place.stat()):
            return None
        name = place / f"{key}.o"
        with name.open("rb") as file:
            if not _is_own(os.fstat(file.fileno())):  # of a time when others could write to the folder
                return None
            whole = file.read()
        with contextlib.suppress(OSError):
            os.utime(name)  # used now
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        return None
    digest, contents = whole[:_DIGEST], whole[_DIGEST:]
    return contents if hashlib.sha256(contents).digest() == digest else None


def write(key: str, contents: bytes) -> None:
    """Keep contents under a key, if that can be done."""
    name = ""
    try:
        place = folder()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_own(place.stat()):
            return
        descriptor, name = tempfile.mkstemp(prefix=".symgrad-", suffix=".tmp", dir=place)
        with os.fdopen(descriptor, "wb") as file:
            file.write(hashlib.sha256(contents).digest() + contents)
        Path(name).replace(place / f"{key}.o")
        _bound(place)
    except (OSError, RuntimeError):
        if name:
            with contextlib.suppress(OSError):
                Path(name).unlink()


def _is_own(status: os.stat_result) -> bool:
    """Whether a folder or file is of the user with whose rights this process runs, and nobody else may write to it."""
    if not hasattr(os, "geteuid"):
        return True
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _bound(place: Path) -> None:
    """Remove the files unused for longest if there is too much."""
    files = []
    for file in filter(lambda file: _NAME.fullmatch(file.name), place.iterdir()):
        with contextlib.suppress(OSError):
            files.append((file.stat().st_mtime, file.stat().st_size, file))
    total = sum(size for _, size, _ in files)
    if total <= LIMIT:
        return
    for _, size, file in sorted(files):
        with contextlib.suppress(OSError):
            file.unlink()
        total -= size
        if total <= LIMIT // 2:
            return
