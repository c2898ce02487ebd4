"""Gradients of four objectives beside torch eager and C, and what they cost beside the objectives themselves."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping

import pytest

from . import floors, problems
from .floors import Floor
from .problems import Problem, Rival
from .race import Race
from .results import Results

JIT, NUMPY, TORCH = "symgrad, jit backend", "symgrad, NumPy backend", "symgrad, torch backend"
EAGER, C = "torch eager", "C"

CASES: Mapping[str, Callable[[], Problem]] = {
    "regression": problems.logistic_regression,
    "small mixture": lambda: problems.gaussian_mixture(d=2, k=5),
    "large mixture": lambda: problems.gaussian_mixture(d=10, k=25),
    "adjustment": problems.reprojection,
    "network": problems.perceptron,
    "small network": lambda: problems.perceptron(d=10, h=32),
}
FLOORS: Mapping[tuple[str, str, str], Floor] = {
    ("small mixture", JIT, C): floors.MIXTURE_BESIDE_C,
    ("large mixture", JIT, C): floors.MIXTURE_BESIDE_C,
    ("small mixture", JIT, EAGER): floors.MIXTURE_SMALL,
    ("large mixture", JIT, EAGER): floors.MIXTURE_LARGE,
    ("adjustment", JIT, C): floors.ADJUSTMENT_BESIDE_C,
    ("adjustment", JIT, EAGER): floors.ADJUSTMENT,
    ("network", TORCH, EAGER): floors.NETWORK_TORCH,
    ("network", NUMPY, EAGER): floors.NETWORK_NUMPY,
    ("small network", TORCH, EAGER): floors.SMALL_NETWORK_TORCH,
    ("small network", NUMPY, EAGER): floors.NETWORK_NUMPY,
}


def rivals_of(problem: Problem, found: Results) -> dict[str, Rival]:
    """Everything that can compute a problem here."""
    rivals = {EAGER: problem.eager, NUMPY: problem.symgrad("numpy"), TORCH: problem.symgrad("torch")}
    if importlib.util.find_spec("llvmlite"):
        rivals[JIT] = problem.symgrad("jit")
    else:
        found.skip(f"{problem.name}, jit backend", "llvmlite is not installed")
    if problem.c is None:
        found.skip(f"{problem.name}, C", problems.MISSING)
    else:
        rivals[C] = problem.c
    return rivals


@pytest.mark.parametrize("case", CASES)
def test_gradient(case: str, race: Race, found: Results) -> None:
    """A gradient beside torch eager's and beside C's, and beside its objective."""
    problem = CASES[case]()
    rivals = rivals_of(problem, found)
    runs = {(name, part): getattr(rival, part) for name, rival in rivals.items() for part in ("gradient", "objective")}
    times = race({" ".join(key): run for key, run in runs.items()}, seconds=15)
    for name in rivals:
        for beside in (EAGER, C):
            if beside in rivals and name != beside and (name, beside) != (EAGER, C):
                ratio = times.ratio(f"{name} gradient", f"{beside} gradient")
                found.add("gradients", f"{problem.name}: {name}", beside, ratio, FLOORS.get((case, name, beside)))
    found.draw(
        "gradients",
        problem.name,
        [
            (i, times.ratio(f"{name} gradient", f"{EAGER} gradient"))
            for i, name in enumerate((JIT, C, NUMPY, TORCH))
            if name in rivals
        ],
    )
    for name in rivals:
        ratio = times.ratio(f"{name} gradient", f"{name} objective")
        bound = floors.GRADIENT_TO_OBJECTIVE if name in (JIT, NUMPY) else None
        found.add("gradient to objective", f"{problem.name}: {name}", "its objective", ratio, bound)
