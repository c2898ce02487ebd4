"""What deriving costs as the graph grows, stage by stage, and beside other symbolic tools."""

from __future__ import annotations

import importlib.util
import itertools
import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import sympy

import symgrad as sg
from symgrad.core.expression import symbol
from symgrad.core.indices import entry

from . import floors
from .batches import batched
from .families import FAMILIES, Algebra, Built, Family
from .results import Results
from .shapes import SHAPES, perceptron

SIZES = (100, 1_000, 10_000)
NATIVE = 1_000
"""The largest graph that is compiled to native code here."""

PATIENCE = 0.5
"""Seconds that a derivation may be expected to take; beyond it a size is not tried."""


def stages(text: str, size: int) -> Iterator[tuple[str, float]]:
    """Processor seconds of reading, deriving, printing and compiling a model, nothing known beforehand."""
    symbol.cache_clear()
    entry.cache_clear()
    start = time.process_time()
    graph = sg.read(text)
    yield "read", time.process_time() - start
    start = time.process_time()
    derivation = sg.derive(graph)
    yield "derive", time.process_time() - start
    start = time.process_time()
    sg.render(derivation, "text")
    yield "print", time.process_time() - start
    start = time.process_time()
    sg.compile(derivation, "numpy")
    yield "compile, NumPy backend", time.process_time() - start
    if size <= NATIVE and importlib.util.find_spec("llvmlite"):
        start = time.process_time()
        sg.compile(derivation, "jit")
        yield "compile, jit backend", time.process_time() - start
        many, values = batched(derivation)
        start = time.process_time()
        sg.compile(many, "jit").value_and_gradient(dict(zip(many.gradient.leaves, values, strict=True)))
        yield "compile for a batch, jit backend", time.process_time() - start


@pytest.mark.parametrize("shape", SHAPES)
def test_stages_are_linear(shape: str, found: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every stage costs a node the same in a graph of 10,000 as in one of 1,000."""
    monkeypatch.setenv("SYMGRAD_CACHE_DIR", str(tmp_path))  # nothing compiled is found there
    taken: dict[str, dict[int, float]] = {}
    for size in SIZES:
        for stage, seconds in stages(SHAPES[shape](size), size):
            taken.setdefault(stage, {})[size] = seconds
    for stage, seconds in taken.items():
        small, large = list(seconds)[-2:]
        exponent = math.log(seconds[large] / seconds[small], large / small)
        found.add("linear", f"{shape}: {stage}", f"size, {small:,} to {large:,} nodes", exponent, floors.EXPONENT)
        found.draw(f"stages: {stage}", shape, [(n, s / taken["derive"][100]) for n, s in seconds.items()])


def test_scalar_network_derives_at_once(found: Results) -> None:
    """A 16-16-10 network written in scalars derives within half a second."""
    graph = sg.read(perceptron(16, 1, 10))
    seconds = statistics.median(_seconds(lambda: sg.derive(graph)) for _ in range(5))
    found.add("derive", "a 16-16-10 network in scalars", "a second", seconds, floors.DERIVED_NETWORK_SECONDS)


def _seconds(run: Callable[[], Any]) -> float:
    """Processor seconds, which other processes on the machine do not lengthen."""
    start = time.process_time()
    run()
    return time.process_time() - start


# beside others

Method = Callable[[Built], Any]
"""From an expression and its variables to all derivatives."""


def _by_diff(built: Built) -> Any:
    expression, variables = built
    return [sympy.diff(expression, v) for v in variables]


def _by_forward_mode(built: Built) -> Any:
    from sympy.simplify._cse_diff import _forward_jacobian

    return _forward_jacobian(sympy.Matrix([built[0]]), sympy.Matrix(list(built[1])))


def tools(found: Results) -> Mapping[str, tuple[Algebra, Method]]:
    """Libraries that differentiate expressions, as far as they are installed."""
    serial = itertools.count()

    def named(variable: Callable[[str], Any]) -> Callable[[str], Any]:
        return lambda name: variable(f"{name}_{next(serial)}")

    plain = Algebra(named(sympy.Symbol), sympy.tanh)
    made: dict[str, tuple[Algebra, Method]] = {
        "sympy.diff": (plain, _by_diff),
        "SymPy, forward mode": (plain, _by_forward_mode),
    }
    if importlib.util.find_spec("symengine"):
        import symengine

        made["symengine"] = (Algebra(named(symengine.Symbol), symengine.tanh), lambda b: [b[0].diff(v) for v in b[1]])
    else:
        found.skip("symengine", "it is not installed")
    if importlib.util.find_spec("casadi"):
        import casadi

        made["casadi"] = (
            Algebra(named(casadi.SX.sym), casadi.tanh),
            lambda b: casadi.gradient(b[0], casadi.vertcat(*b[1])),
        )
    else:
        found.skip("casadi", "it is not installed")
    return made


def median_seconds(make: Callable[[], Built], run: Method) -> float:
    """Seconds of a derivation from an expression just built, of names that no earlier one had."""
    taken: list[float] = []
    while len(taken) < 5 and sum(taken) < PATIENCE:
        symbol.cache_clear()
        entry.cache_clear()
        built = make()
        taken.append(_seconds(lambda built=built: run(built)))
    return statistics.median(taken)


def expected(taken: Mapping[int, float], size: int) -> float:
    """Seconds at a size, if what was taken at the last two goes on growing exponentially."""
    if len(taken) < 2:
        return max(taken.values(), default=0.0)
    (n, before), (m, last) = list(taken.items())[-2:]
    return max(last * (last / before) ** ((size - m) / (m - n)), last)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_beside_other_tools(family: Family, found: Results) -> None:
    """All derivatives of a function of growing size, as far as a tool can be expected to come within half a second."""
    ours: dict[int, float] = {}
    for size in family.sizes:
        text, wrt = family.text(size), family.wrt(size)
        ours[size] = median_seconds(lambda text=text: (sg.read(text), ()), lambda b, wrt=wrt: sg.derive(b[0], wrt))
    base = ours[family.sizes[0]]
    found.draw(f"derive: {family.name}", "symgrad", [(n, s / base) for n, s in ours.items()])
    for name, (algebra, method) in tools(found).items():
        theirs: dict[int, float] = {}
        method(family.build(algebra, family.sizes[0]))  # imports what it needs
        for size in family.sizes:
            if expected(theirs, size) > PATIENCE:
                break
            try:
                theirs[size] = median_seconds(lambda size=size, algebra=algebra: family.build(algebra, size), method)
            except RecursionError:
                found.skip(f"{family.name}, {name}, n={size}", "it exceeds Python's recursion limit")
                break
        found.draw(f"derive: {family.name}", name, [(n, s / base) for n, s in theirs.items()])
        if theirs:
            last = max(theirs)
            found.add("derive", f"{family.name}, n={last}: {name}", "symgrad", theirs[last] / ours[last])
