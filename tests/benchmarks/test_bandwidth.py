"""The seed's loss over a million samples at once: how near to the speed of memory, and how much memory is held."""

from __future__ import annotations

import ctypes
import gc
import importlib.util
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy
import pytest
import torch

import symgrad as sg

from . import floors, problems, references
from .problems import Problem
from .race import Race
from .results import Results

SAMPLES = 1_000_000
TEXT = "x: (n,); y: (n,); w: (); y_pred = x*w; L = mean((y_pred - y)**2)"
BOUNDS = {"numpy": floors.BANDWIDTH_NUMPY, "jit": floors.BANDWIDTH_JIT}
BACKENDS = ["numpy", "jit"]
SAID = {"numpy": "NumPy", "jit": "jit"}


def skip_without(backend: str) -> None:
    """The jit backend is an extra."""
    if backend == "jit" and importlib.util.find_spec("llvmlite") is None:
        pytest.skip("llvmlite is not installed")


@pytest.mark.skipif(bool(references.MISSING), reason=references.MISSING)
def test_bandwidth(race: Race, found: Results) -> None:
    """Bytes read a second, as a part of the bytes that C's memcpy reads and writes a second.

    The gradient reads 16 bytes a sample, its two inputs. memcpy of as many bytes moves twice as many: it reads and
    writes them.
    """
    draw = numpy.random.default_rng(0)
    x = draw.standard_normal(SAMPLES)
    data = numpy.concatenate([x, 2 * x + draw.standard_normal(SAMPLES)])
    at = {"x": data[:SAMPLES], "y": data[SAMPLES:], "w": numpy.float64(1.0)}
    derivation = sg.derive(sg.read(TEXT), "w")
    rivals: dict[str, Callable[[], Any]] = {"memcpy": _copying(data), "C": _in_c(at), "torch eager": _eager(at)}
    for backend in BACKENDS:
        if backend == "numpy" or importlib.util.find_spec("llvmlite"):
            program = sg.compile(derivation, backend)
            values = [at[leaf] for leaf in program.leaves]
            rivals[backend] = lambda run=program._fast, values=values: run(*values)
    times = race(rivals, seconds=8)
    for name in rivals:
        if name != "memcpy":
            said = f"symgrad, {SAID[name]} backend" if name in SAID else name
            found.add("bandwidth", said, "memcpy", times.ratio("memcpy", name) / 2, BOUNDS.get(name))


def _copying(data: numpy.ndarray) -> Callable[[], Any]:
    copy = references.compiled_c("copy").copy
    to = numpy.empty_like(data)
    arguments = (references.address(to), references.address(data), ctypes.c_size_t(data.nbytes))
    return lambda: copy(*arguments)


def _in_c(at: dict[str, Any]) -> Callable[[], Any]:
    function = references.compiled_c("seed").seed_batch
    function.restype = references.Double
    slope = references.Double()
    inputs = (references.address(at["x"]), references.address(at["y"]), references.Long(SAMPLES))
    return lambda: function(*inputs, references.Double(1.0), references.by_reference(slope))


def _eager(at: dict[str, Any]) -> Callable[[], Any]:
    x, y = torch.as_tensor(at["x"]), torch.as_tensor(at["y"])
    w = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    return lambda: torch.autograd.grad(((x * w - y) ** 2).mean(), w)


MEMORY_CASES: dict[str, Callable[[], Problem]] = {
    "logistic regression": problems.logistic_regression,
    "Gaussian mixture": lambda: problems.gaussian_mixture(d=10, k=25),
    "bundle adjustment": problems.reprojection,
    "network": problems.perceptron,
}


@pytest.mark.parametrize("case", MEMORY_CASES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_memory(backend: str, case: str, found: Results) -> None:
    """What a gradient holds at its peak, beside its inputs, its outputs and what torch keeps for its backward pass."""
    skip_without(backend)
    problem = MEMORY_CASES[case]()
    rival = problem.symgrad(backend)
    results = rival.gradient()  # compiled, and what it keeps for good is made
    outputs = _bytes(results)
    del results
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        rival.gradient()
        held = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    inputs = _bytes(problem.at.values())
    whole = inputs + outputs + kept_by_torch(problem)
    found.add(
        "memory",
        f"{case}: symgrad, {SAID[backend]} backend",
        "inputs, outputs and what torch keeps",
        (inputs + held) / whole,
        floors.MEMORY,
    )


def _bytes(values: Any) -> int:
    return sum(numpy.asarray(value).nbytes for value in values)


def kept_by_torch(problem: Problem) -> int:
    """Bytes of the tensors that torch saves for its backward pass, each storage once, the inputs left out."""
    own = {tensor.untyped_storage().data_ptr() for tensor in map(torch.as_tensor, problem.at.values())}
    saved: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        is_parameter = tensor.is_leaf and tensor.requires_grad
        if storage.data_ptr() not in own and not is_parameter:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        kept = problem.eager.gradient()
    del kept
    return sum(saved.values())
