"""Printouts are the same bytes on every run: no set is ever iterated into output."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PRINT_EVERYTHING = """
import hashlib
import symgrad as sg
from cases import CASES
from symgrad.renderers import FORMATS

for case in CASES:
    derivation = case.derive()
    evaluation = sg.compile(derivation)(case.at)
    for format in FORMATS:
        for beside in (None, evaluation):
            try:
                text = sg.render(derivation, format, evaluation=beside)
            except Exception as error:  # a case that cannot be printed fails in the golden tests
                text = type(error).__name__
            print(case.name, format, beside is not None, hashlib.sha256(text.encode()).hexdigest())
    print(case.name, "source", hashlib.sha256(sg.compile(derivation).source.encode()).hexdigest())
"""


def printed_under(seed: str) -> subprocess.Popen[str]:
    """A process that prints a hash of every printout, under a hash seed of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", PRINT_EVERYTHING],
        cwd=Path(__file__).parent,
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_output_does_not_depend_on_the_hash_seed() -> None:
    """Every case in every format, and its generated program, is the same bytes under two hash seeds."""
    processes = [printed_under(seed) for seed in ("1", "2")]
    (first, error), (second, _) = (process.communicate() for process in processes)
    assert [process.returncode for process in processes] == [0, 0], error
    assert first.splitlines()
    assert first.splitlines() == second.splitlines()
