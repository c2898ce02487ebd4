"""What is loaded when: nothing heavy until it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

SEED = "y_pred = x*w; l = (y_pred - y)**2"


def loaded(code: str, *names: str) -> set[str]:
    """Which of `names` a fresh interpreter has loaded after running `code`."""
    program = f"import sys\n{code}\nprint(*[n for n in {names!r} if n in sys.modules], file=sys.stderr)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(result.stderr.split())


def test_import_is_light() -> None:
    """`import symgrad` loads neither torch nor SymPy nor NumPy."""
    assert loaded("import symgrad", "torch", "sympy", "numpy", "flint", "scipy") == set()


def test_help_loads_no_sympy() -> None:
    """`symgrad --help`, and each command's own, load neither SymPy nor NumPy nor torch."""
    for arguments in (
        ["--help"],
        ["derive", "-h"],
        ["train", "-h"],
        ["verify", "-h"],
        ["demo", "-h"],
        ["report", "-h"],
        ["examples"],
    ):
        code = f"from symgrad.cli import run\nassert run({arguments!r}) == 0"
        assert loaded(code, "torch", "sympy", "numpy", "flint") == set(), arguments


def test_derive_loads_no_torch() -> None:
    """`symgrad derive` needs SymPy alone (which loads flint by itself): no torch, no NumPy, no SciPy."""
    code = f"from symgrad.cli import run\nassert run(['derive', {SEED!r}]) == 0"
    assert loaded(code, "torch", "sympy", "numpy", "scipy") == {"sympy"}


def test_training_loads_no_torch() -> None:
    """Training by plain gradient descent needs no torch either."""
    code = (
        f"import symgrad as sg\nsg.train(sg.derive(sg.read({SEED!r}), ['w']), {{'x': [1.0], 'y': [2.0]}}, {{'w': 1.0}})"
    )
    assert loaded(code, "torch", "numpy") == {"numpy"}


@pytest.mark.parametrize(
    ("code", "expected"), [("import sympy", {"sympy"}), ("import symgrad; symgrad.read", {"sympy"})]
)
def test_the_probe_sees_what_is_loaded(code: str, expected: set[str]) -> None:
    """The probe of these tests does notice a module that is loaded."""
    assert loaded(code, "sympy", "torch") == expected
