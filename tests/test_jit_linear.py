"""What is done before LLVM takes work in proportion to the graph: lines of Python that run, counted, not seconds."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

pytest.importorskip("llvmlite", reason="the extra jit is not installed")

from benchmarks.batches import SAMPLES, batched
from benchmarks.shapes import SHAPES

import symgrad as sg
from symgrad.backends.jit import engine, fusion, tensors
from symgrad.backends.jit.abi import Routine
from symgrad.backends.lower import lower
from symgrad.backends.numpy import is_native

FOLDER = str(Path(tensors.__file__).parent)
EXPONENT = 1.1
"""Of the size in the work, from one size to four times as much; a second walk inside a walk has 2."""


def lines_run(run: Callable[[], Any]) -> int:
    """How many lines of the backend run; one that loops within itself counts each time round."""
    count = 0

    def local(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return local

    def called(frame: FrameType, event: str, argument: object) -> Any:
        return local if frame.f_code.co_filename.startswith(FOLDER) else None

    before = sys.gettrace()
    sys.settrace(called)
    try:
        run()
    finally:
        sys.settrace(before)
    return count


def made(derivation: sg.Derivation) -> Callable[[], Routine]:
    """What makes LLVM IR of a lowered program; sizes without a number are those of the samples."""
    graph = derivation.gradient
    program = lower(graph, (derivation.output, *graph.outputs), graph.leaves, is_native)
    shapes = [tuple(size if isinstance(size, int) else SAMPLES for size in graph[leaf].shape) for leaf in graph.leaves]
    return lambda: tensors.compiled(graph, program, graph.leaves, "float64", tuple(shapes), False, "gradient")


def exponent(small: sg.Derivation, large: sg.Derivation) -> float:
    """Of the number of nodes in the work."""
    works = [lines_run(made(derivation)) for derivation in (small, large)]
    nodes = [len(derivation.gradient.nodes) for derivation in (small, large)]
    return math.log(works[1] / works[0], nodes[1] / nodes[0])


@pytest.mark.parametrize("shape", SHAPES)
def test_a_batch_takes_linear_work(shape: str) -> None:
    """A graph of numbers, however it is bound up, on arrays of samples."""
    small, large = (batched(sg.derive(sg.read(SHAPES[shape](nodes))))[0] for nodes in (90, 360))
    assert exponent(small, large) < EXPONENT


def deep(layers: int) -> str:
    """A network whose every layer has parameters of its own, so that no axis is everywhere."""
    lines = [f"h{i} = tanh(h{i - 1} @ W{i})" for i in range(1, layers + 1)]
    return "\n".join(["h0: (5,)", *(f"W{i}: (5, 5)" for i in range(1, layers + 1)), *lines, f"L = sum(h{layers}**2)"])


def folds(layers: int) -> str:
    """One axis, and many loops over it: each line needs a finished sum of the line before."""
    lines = [f"h{i} = h{i - 1} - mean(h{i - 1})" for i in range(1, layers + 1)]
    return "\n".join(["h0: (5,)", *lines, f"L = sum(h{layers}**3)"])


def apart(sums: int) -> str:
    """Axes that have nothing to do with each other."""
    lines = [f"s{i} = sum(sin(x{i}))" for i in range(sums)]
    total = " + ".join(f"s{i}" for i in range(sums))
    return "\n".join([*(f"x{i}: ({i % 3 + 2},)" for i in range(sums)), *lines, f"L = {total}"])


@pytest.mark.parametrize("model", [deep, folds, apart])
def test_tensors_of_many_lines_take_linear_work(model: Callable[[int], str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is planning which loops to share a search of all loops for each."""
    monkeypatch.setattr(fusion, "MANY", 16)  # of lines from which it is planned in halves, so that few are many
    small, large = (sg.derive(sg.read(model(size))) for size in (15, 60))
    assert exponent(small, large) < EXPONENT


def test_very_many_loops_are_no_deep_recursion() -> None:
    """A loop after a loop is a step after a step: Python's stack does not grow with their number."""
    make = made(sg.derive(sg.read(folds(80))))
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 60)
    try:
        make()
    finally:
        sys.setrecursionlimit(limit)


def test_long_straight_code_goes_without_passes() -> None:
    """A long body on a batch is compiled as it is; what is short is optimised."""

    def text(nodes: int) -> str:
        return made(batched(sg.derive(sg.read(SHAPES["chain"](nodes))))[0])().definition

    assert engine.is_straight(text(120))
    assert not engine.is_straight(text(30))
