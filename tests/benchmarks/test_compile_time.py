"""Compiling straight-line programs of ours by llvmlite and by numba, and running them: why jit stands on llvmlite.

And what compiling a program on a batch takes, from the graph to the first result.

pytest tests/benchmarks/test_compile_time.py -s      (numba is measured where it is installed)
"""

from __future__ import annotations

import ctypes
import importlib.util
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest
import sympy

import symgrad as sg
from symgrad.backends.jit import engine
from symgrad.backends.jit.scalar import packed
from symgrad.backends.lower import lower
from symgrad.backends.module import Lines
from symgrad.backends.numpy import is_native
from symgrad.backends.numpy_code import NumpyPrinter

from . import floors
from .batches import batched
from .results import Results
from .shapes import SHAPES

_POINTERS = (ctypes.c_void_p,) * 2

LIMITS = {100: 0.3, 1_000: 0.3, 10_000: 2.0}
"""Seconds of one core that compiling a program of so many operations may take, its text read included."""


def program_of(operations: int) -> Any:
    """The lowered gradient of a logistic map, iterated until it takes about so many operations: ten a round."""
    rounds = operations // 10
    steps = ["x1 = r*x*(1 - x)", *(f"x{i} = r*x{i - 1}*(1 - x{i - 1})" for i in range(2, rounds + 1))]
    derivation = sg.derive(sg.read("; ".join([*steps, f"l = x{rounds}"])))
    graph = derivation.gradient
    return lower(graph, (derivation.output, *graph.outputs), graph.leaves, is_native)


def per_call(function: Any, *arguments: Any) -> float:
    """Seconds a call, the best of several rounds."""
    best = float("inf")
    for _ in range(7):
        start = time.perf_counter()
        for _ in range(200):
            function(*arguments)
        best = min(best, (time.perf_counter() - start) / 200)
    return best


@pytest.mark.parametrize("operations", LIMITS)
@pytest.mark.parametrize("level", [1, 2, 3])
def test_llvmlite(operations: int, level: int) -> None:
    """Text to machine code within the limit at the level that is used."""
    ir, emitter, _ = packed(program_of(operations), "float64", fastmath=False)
    engine.compiled("define void @nothing() {\n  ret void\n}\n")  # llvmlite is loaded
    start = time.process_time()
    engine.compiled(ir, level)
    seconds = time.process_time() - start
    call = engine.load(ir, ("gradient",), emitter.externals, level).function("gradient", None, *_POINTERS)
    inputs, outputs = numpy.full(2, 0.25), numpy.empty(3)
    run = per_call(call, inputs.ctypes.data, outputs.ctypes.data)
    count = sum(" = f" in line for line in emitter.lines)
    print(f"\nllvmlite, O{level}: {count} operations compile in {seconds:.3f} s, a call takes {run * 1e6:.2f} us")
    assert level != engine.LEVEL or seconds < LIMITS[operations]


@pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="numba is not installed")
@pytest.mark.parametrize("operations", LIMITS)
def test_numba(operations: int) -> None:
    """The numpy backend's own source, compiled by numba with explicit signatures."""
    import numba

    lines = Lines(program_of(operations), "float64", NumpyPrinter(arrays=False))
    namespace: dict[str, Any] = {}
    exec(lines.function(comments=False), namespace)
    numba.njit("float64(float64)")(lambda x: x + 1)  # numba is loaded
    start = time.process_time()
    function = numba.njit("UniTuple(float64, 3)(float64, float64)")(namespace["gradient"])
    seconds, run = time.process_time() - start, per_call(function, 0.25, 0.25)
    print(f"\nnumba: {operations} operations compile in {seconds:.3f} s, a call takes {run * 1e6:.2f} us")


def operations_of(graph: sg.Graph) -> int:
    """How many operations the lines of a graph of numbers are written with: a sum of n terms is n − 1."""
    count, stack = 0, [node.body for node in graph.nodes if node.body is not None]
    while stack:
        part = stack.pop()
        if part.args:
            count += len(part.args) - 1 if isinstance(part, (sympy.Add, sympy.Mul)) else 1
            stack.extend(part.args)
    return count


def first_result(derivation: sg.Derivation, values: Sequence[Any]) -> None:
    """Compile a program, and call it."""
    program = sg.compile(derivation, "jit")
    program.value_and_gradient(dict(zip(program.leaves, values, strict=True)))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("operations", floors.COMPILED_BATCH_SECONDS)
def test_batches(shape: str, operations: int, found: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph of scalars on a batch: lowered, compiled with nothing on disk, and called once."""
    monkeypatch.setenv("SYMGRAD_CACHE_DIR", str(tmp_path))
    first_result(*batched(sg.derive(sg.read("x*w"))))  # everything is loaded
    nodes, count = 100, 0
    while not 0.8 * operations < count < 1.25 * operations:
        nodes = nodes * operations // count if count else nodes
        derivation = sg.derive(sg.read(SHAPES[shape](nodes)))
        count = operations_of(derivation.gradient)
    many, values = batched(derivation)
    start = time.process_time()
    first_result(many, values)
    seconds = (time.process_time() - start) * 1_000 / count
    what = f"{shape}: some {operations:,} operations"
    found.add("compile", what, "a second a thousand", seconds, floors.COMPILED_BATCH_SECONDS[operations])
