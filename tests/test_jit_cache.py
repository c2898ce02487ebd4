"""Compiled code on disk: found again, bounded, and never run where others may have written it."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("llvmlite", reason="the extra jit is not installed")

from symgrad.backends.jit import cache as disk
from symgrad.backends.jit import engine

SEED = "y_pred = x*w; l = (y_pred - y)**2"
TWICE = "define double @f(double %x) {\n  %y = fadd double %x, %x\n  ret double %y\n}\n"


def _fresh_process(folder: Path) -> dict[str, Any]:
    """A new process that compiles the seed: how often the optimiser ran, and what the program says."""
    code = (
        "import json, symgrad as sg\nfrom symgrad.backends.jit import engine\n"
        "runs = []; right = engine.compiled\n"
        "engine.compiled = lambda *a: (runs.append(1), right(*a))[1]\n"
        f"p = sg.compile(sg.derive(sg.read({SEED!r}), ['w']), 'jit')\n"
        "print(json.dumps({'runs': len(runs), 'value': p({'x': 3, 'y': 6, 'w': 1}).gradient['w']}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "SYMGRAD_CACHE_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(result.stdout)
    return found


class TestCache:
    """Compiled once, and never wrong for it."""

    def test_a_second_process_compiles_nothing(self, tmp_path: Path) -> None:
        """The first process runs LLVM's optimiser, the second does not."""
        first, second = _fresh_process(tmp_path), _fresh_process(tmp_path)
        assert first["runs"] > 0
        assert second == {"runs": 0, "value": -18.0}
        assert first["value"] == -18.0

    @pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "folder"])
    def test_damaged_files_are_not_used(self, tmp_path: Path, damage: str) -> None:
        """A damaged file is compiled anew."""
        _fresh_process(tmp_path)
        for file in tmp_path.glob("*.o"):
            whole = file.read_bytes()
            file.unlink()
            match damage:
                case "cut":
                    file.write_bytes(whole[: len(whole) // 2])
                case "flipped":
                    file.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
                case "empty":
                    file.write_bytes(b"")
                case "folder":
                    file.mkdir()
        again = _fresh_process(tmp_path)
        assert again["runs"] > 0
        assert again["value"] == -18.0

    def test_a_file_is_not_a_folder(self, tmp_path: Path) -> None:
        """Where no cache can be made, nothing is kept and everything works."""
        place = tmp_path / "file"
        place.write_text("")
        assert _fresh_process(place)["runs"] == _fresh_process(place)["runs"] > 0

    @pytest.mark.skipif(not hasattr(os, "getuid"), reason="permissions are POSIX's")
    def test_code_that_others_may_write_is_not_run(self, tmp_path: Path) -> None:
        """A folder that others may write to is not read."""
        _fresh_process(tmp_path)
        assert _fresh_process(tmp_path)["runs"] == 0
        tmp_path.chmod(0o777)
        assert _fresh_process(tmp_path)["runs"] > 0

    @pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions are POSIX's")
    def test_files_that_others_may_have_written_are_not_run(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A file of somebody else's, left in a folder that is the user's alone by now, is not read."""
        monkeypatch.setenv("SYMGRAD_CACHE_DIR", str(tmp_path / "own"))
        disk.write("key", b"code")
        assert disk.read("key") == b"code"
        (tmp_path / "own" / "key.o").chmod(0o666)
        assert disk.read("key") is None
        (tmp_path / "own" / "key.o").chmod(0o600)
        assert disk.read("key") == b"code"
        monkeypatch.setattr(os, "fstat", lambda _: os.stat_result((0o100600, 0, 0, 1, os.geteuid() + 1, 0, 0, 0, 0, 0)))
        assert disk.read("key") is None

    def test_size_is_bounded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Beyond the limit the files unused for longest go; what the user keeps in the same folder stays."""
        monkeypatch.setenv("SYMGRAD_CACHE_DIR", str(tmp_path / "own"))
        monkeypatch.setattr(disk, "LIMIT", 4000)
        key = "{:064x}".format
        for number in range(10):
            disk.write(key(number), bytes(500))
            os.utime(tmp_path / "own" / f"{key(number)}.o", (number, number))
            if number == 5:
                assert disk.read(key(1)) == bytes(500)  # used: no longer the oldest
            if number == 0:
                for name in ("thesis.tex", "main.o", ".notes.tmp"):
                    (tmp_path / "own" / name).write_bytes(bytes(5000))
                    os.utime(tmp_path / "own" / name, (0, 0))
        left = {file.name: file.stat().st_size for file in (tmp_path / "own").iterdir()}
        assert [left.pop(name) for name in ("thesis.tex", "main.o", ".notes.tmp")] == [5000] * 3
        assert sum(left.values()) <= 4000
        assert f"{key(9)}.o" in left
        assert f"{key(2)}.o" not in left

    def test_key_tells_content_apart(self) -> None:
        """Another level of optimisation or another text is another entry; the same one is the same module."""
        one = engine.load(TWICE, ("f",))
        assert engine.load(TWICE, ("f",)) is one
        assert engine.load(TWICE, ("f",), level=0) is not one
        half = engine.load(TWICE.replace("fadd", "fsub"), ("f",))
        assert half.function("f", *[ctypes.c_double] * 2)(3.0) == 0.0
        assert one.function("f", *[ctypes.c_double] * 2)(3.0) == 6.0

    @pytest.mark.parametrize(
        ("platform", "variables", "expected"),
        [
            ("linux", {"XDG_CACHE_HOME": "/somewhere"}, "/somewhere/symgrad"),
            ("linux", {"XDG_CACHE_HOME": "relative"}, "/home/u/.cache/symgrad"),
            ("linux", {}, "/home/u/.cache/symgrad"),
            ("darwin", {}, "/home/u/Library/Caches/symgrad"),
            ("linux", {"SYMGRAD_CACHE_DIR": "/mine"}, "/mine"),
        ],
    )
    def test_folder(
        self, monkeypatch: pytest.MonkeyPatch, platform: str, variables: dict[str, str], expected: str
    ) -> None:
        """The platform's own folder for caches, unless a variable names another."""
        monkeypatch.setattr(disk.sys, "platform", platform)
        monkeypatch.setattr(Path, "home", lambda: Path("/home/u"))
        for name in ("SYMGRAD_CACHE_DIR", "XDG_CACHE_HOME"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert disk.folder() == Path(expected)
