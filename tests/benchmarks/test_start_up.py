"""Start-up of the command line beside the imports it cannot do without, alternating in one run."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

import pytest

SEED = "y_pred = x*w; l = (y_pred - y)**2"
RUNS = 15


def ratio(command: list[str], beside: list[str]) -> float:
    """Median time of one command over that of another."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(RUNS):
        for arguments, seconds in zip((command, beside), times, strict=True):
            start = time.perf_counter()
            subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - start)
    return statistics.median(times[0]) / statistics.median(times[1])


@pytest.mark.parametrize(
    ("arguments", "imports", "limit"),
    [(["--help"], "click", 1.6), (["derive", SEED, "--wrt", "w"], "sympy, click", 1.5)],
    ids=["help", "derive"],
)
def test_start_up(arguments: list[str], imports: str, limit: float) -> None:
    """`symgrad --help` costs little more than importing click, `derive` little more than importing SymPy."""
    command = [sys.executable, "-c", "from symgrad.cli import main; main()", *arguments]
    found = ratio(command, [sys.executable, "-c", f"import {imports}"])
    print(f"\nsymgrad {arguments[0]} takes {found:.2f} times 'import {imports}'")
    assert found <= limit
