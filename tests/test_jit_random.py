"""Random losses of arithmetic and square roots at hostile points: native code against NumPy, bit for bit."""

from __future__ import annotations

import itertools
import math
import random
from typing import Any, cast

import numpy
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

import symgrad as sg
from symgrad.backends import DTYPES
from symgrad.backends.numpy import compile_graph as compile_numpy
from symgrad.errors import NonFiniteError, ReadError

pytest.importorskip("llvmlite", reason="the extra jit is not installed")

from symgrad.backends.jit import compile_graph
from symgrad.backends.jit.instructions import Emitter

quick = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow],
)

NUMBERS = ("0.1", "0.3", "2", "1/3", "pi", "sqrt(2)", "sqrt(3)", "1e10", "0")
OPERATIONS = (
    "({0} + {1})",
    "({0} - {1})",
    "({0}*{1})",
    "({0}/{1})",
    "(-{0})",
    "({0})**2",
    "({0})**-1",
    "sqrt({0})",
    "abs({0})",
    "relu({0})",
    "sign({0})",
    "max({0}, {1})",
    "where({0} < {1}, {1}, {0})",
    "where({0} >= {1}, 0.1, pi)",
)
EDGES = (0.0, -0.0, math.inf, -math.inf, math.nan, 1e-45, 5e-324, -1e-310, 1e308, -3e38, 1.0, -1.0, 0.1, 1 / 3)


def _applied(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(str.format, st.sampled_from(OPERATIONS), inner, inner)


BODIES = st.recursive(st.sampled_from(("x", "y", "w", *NUMBERS)), _applied, max_leaves=6)
LOSSES = st.builds("h = {}; v = max(relu({}), h*x); l = (v*w - {}*x)*sqrt(2)*0.3 + y*h".format, BODIES, BODIES, BODIES)


def derived(text: str) -> sg.Derivation:
    """The loss by `w`; a loss whose constants are not finite is refused and no example."""
    try:
        return sg.derive(sg.read(text), ["w"])
    except ReadError:
        assume(False)
        raise


def told(values: tuple[Any, ...]) -> list[tuple[str, type]]:
    """Every bit and every type; a NaN has no sign."""
    return [("nan" if numpy.isnan(v) else repr(v), type(v)) for v in values]


@quick
@given(LOSSES)
def test_every_node_at_hostile_points(text: str) -> None:
    """Zeros of either sign, infinities, NaN, subnormal and huge numbers."""
    graph = derived(text).gradient
    names, leaves, chosen = [node.name for node in graph.nodes], graph.leaves, random.Random(text)
    for dtype in DTYPES:
        plain = compile_numpy(graph, names, leaves, dtype).function
        native = compile_graph(graph, names, leaves, dtype).function
        points = itertools.chain(
            ([chosen.choice(EDGES) for _ in leaves] for _ in range(12)),
            ([chosen.gauss(0, 2) for _ in leaves] for _ in range(4)),
        )
        for point in points:
            with numpy.errstate(all="ignore"):
                values = [getattr(numpy, dtype)(value) for value in point]
                assert told(native(*values)) == told(plain(*values)), (dtype, values)


@quick
@given(LOSSES, st.sampled_from(DTYPES), st.booleans(), st.sampled_from((0.01, 0.5, 1e3)))
def test_every_way_to_train(text: str, dtype: str, shuffle: bool, lr: float) -> None:
    """Silent and logged, on either backend: the same numbers, and where they are not finite the same end."""
    derivation = derived(text)
    data = {
        name: values
        for name, values in {"x": [0.3, -1.5, 2.0], "y": [1.0, 0.25, -0.5]}.items()
        if name in derivation.primal
    }
    ends = []
    for backend, log in itertools.product(("numpy", "jit"), (None, "steps")):
        error = ""
        try:
            run = sg.train(
                derivation, data, {"w": 0.75}, lr=lr, epochs=5, dtype=dtype, shuffle=shuffle, backend=backend, log=log
            )
        except NonFiniteError as stopped:
            run, error = cast("sg.Run", stopped.run), str(stopped)
        ends.append((run.parameters, run.epochs, run.step_count, error))
    assert ends == ends[:1] * 4


def test_a_planted_fault_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other of two zeros is found."""
    right = Emitter.extreme
    monkeypatch.setattr(Emitter, "extreme", lambda self, relation, *sides: right(self, f"{relation}=", *sides))
    with pytest.raises(AssertionError):
        test_every_node_at_hostile_points()
