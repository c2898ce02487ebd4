"""Starting: the command line and the package beside the imports they cannot do without, and a second process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from . import floors
from .race import Race
from .results import Results

SEED = "y_pred = x*w; l = (y_pred - y)**2"
COMMAND = "from symgrad.cli import main; main()"
NEEDED = "import symgrad; symgrad.read, symgrad.derive"
MODEL = "; ".join(["x1 = r*x*(1 - x)", *(f"x{i + 1} = r*x{i}*(1 - x{i})" for i in range(1, 100)), "l = x100"])
COMPILED = f"""
import symgrad as sg
program = sg.compile(sg.derive(sg.read({MODEL!r})), backend={{!r}})
program({{{{'x': 0.3, 'r': 3.7}}}})
"""

PAIRS = {
    "symgrad --help": ([COMMAND, "--help"], "click", floors.HELP),
    "import symgrad": (["import symgrad"], "sympy", None),
    "import symgrad, read and derive": ([NEEDED], "sympy", floors.IMPORT),
    "symgrad derive": ([COMMAND, "derive", SEED, "--wrt", "w"], "sympy, click", floors.DERIVE),
}


def start(arguments: list[str], **environment: str) -> None:
    """Run Python."""
    command = [sys.executable, "-c", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **environment})


@pytest.mark.parametrize("what", PAIRS)
def test_start_up(what: str, race: Race, found: Results) -> None:
    """A process of ours beside one that only imports."""
    arguments, imports, bound = PAIRS[what]
    times = race(
        {what: lambda: start(arguments), "import": lambda: start([f"import {imports}"])},
        seconds=8,
        clock=time.perf_counter,
    )
    found.add("start-up", what, f"import {imports}", times.ratio(what, "import"), bound)


def test_second_process(race: Race, found: Results, tmp_path: Path) -> None:
    """A process that finds its compiled program on disk beside one that compiles it, and beside the NumPy backend."""
    pytest.importorskip("llvmlite")
    cache, emptied = tmp_path / "cache", tmp_path / "emptied"

    def anew() -> None:
        folder = emptied / str(len(list(emptied.glob("*"))))
        folder.mkdir(mode=0o700, parents=True)
        start([COMPILED.format("jit")], SYMGRAD_CACHE_DIR=str(folder))

    def again() -> None:
        start([COMPILED.format("jit")], SYMGRAD_CACHE_DIR=str(cache))

    again()
    rivals = {"again": again, "anew": anew, "numpy": lambda: start([COMPILED.format("numpy")])}
    times = race(rivals, seconds=12, clock=time.perf_counter)
    found.add("start-up", "a second process, jit backend", "the first, which compiles", times.ratio("again", "anew"))
    found.add("start-up", "a second process, jit backend", "the NumPy backend", times.ratio("again", "numpy"))
