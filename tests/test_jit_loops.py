"""Native programs on tensors: how they are put into loops, and the functions they call."""

from __future__ import annotations

import ctypes
from typing import Any

import mpmath
import numpy
import pytest
from tensor_models import BY_NAME, MODELS, derived, point_of

import symgrad as sg
from symgrad.backends.lower import lower
from symgrad.backends.numpy import is_native

pytest.importorskip("llvmlite", reason="the extra jit is not installed")

from symgrad.backends.jit import elementary, engine, tensors
from symgrad.backends.jit.abi import module
from symgrad.backends.jit.entries import entries
from symgrad.backends.jit.lanes import Packing
from symgrad.backends.jit.lines import Lines
from symgrad.backends.jit.nests import (
    Array,
    Assign,
    Axis,
    Clear,
    Definition,
    Loop,
    Position,
    Product,
    Read,
    Update,
    arrays_of,
    reads,
    walk,
)
from symgrad.backends.jit.placement import placed

NAMES = [model.name for model in MODELS]
MATRIX_FUNCTIONS = {"gaussian_nll", "inverse", "determinant", "solution", "vector_solution", "own_index_unread"}
SIZES = (17, 9, 18, 10, 16)
"""Whole vectors with and without a rest."""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or leaves anything in the user's cache."""
    monkeypatch.setenv("SYMGRAD_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "jit-cache"))


def sizes_for(derivation: sg.Derivation) -> dict[str, int]:
    """Sizes that fill vectors."""
    return {size: SIZES[n % len(SIZES)] for n, size in enumerate(derivation.primal.sizes)}


def gradient_of(text: str, dtype: str, at: dict[str, Any], backend: str = "jit", wrt: Any = None) -> Any:
    """Value and gradient of a text."""
    return sg.compile(sg.derive(sg.read(text), wrt), backend, dtype).value_and_gradient(at)


def nest_of(text: str, wrt: Any = None, **shapes: tuple[int, ...]) -> tensors.Nest:
    """The loops of a gradient in double precision."""
    graph = sg.derive(sg.read(text), wrt).gradient
    outputs = (graph.nodes[[n.name for n in graph.nodes].index("L")].name, *graph.outputs)
    lowered = lower(graph, outputs, graph.leaves, is_native)
    return tensors.nested(entries(lowered, [shapes[leaf] for leaf in graph.leaves], frozenset(graph.selectors)), 8)


LAYERS = 6
DEEP = "\n".join(
    [
        "x0: (n, d)",
        *(f"W{i}: (d, d)" for i in range(LAYERS)),
        *(f"x{i + 1} = tanh(x{i} @ W{i})" for i in range(LAYERS)),
        f"L = sum(x{LAYERS}**2)",
    ]
)


MIXTURE = """
X: (n, d)
M: (k, d)
a: (k,)
D[i,j] = (X[i,c] - M[j,c])**2
E[i,j] = a[j] - D[i,j]/2
L = sum(logsumexp(E))
"""
MIXTURE_SHAPES = {"X": (800, 3), "M": (6, 3), "a": (6,)}


def test_samples_share_one_loop() -> None:
    """All that has the sample axis is one loop in lanes, and no array between its statements has that axis."""
    nest = nest_of(MIXTURE, ["M", "a"], **MIXTURE_SHAPES)
    loops = [step for step in nest.steps if isinstance(step, Loop) and step.axis.extent == 800]
    assert len(loops) == 1
    assert loops[0].lanes
    placement = placed(nest.steps, nest.program, 8)
    made = {step.definition.array for step in walk(nest.steps) if isinstance(step, (Assign, Update))}
    assert made
    assert all(placement.places[array].entries < 800 for array in made)
    assert not placement.work


def test_elementwise_operations_need_no_memory() -> None:
    """A chain of operations entry by entry is one statement."""
    nest = nest_of("X: (n, m)\nA = tanh(X)\nB = exp(A*X) + A\nL = sum(sin(B)*X)", ["X"], X=(20, 30))
    arrays = {a for step in walk(nest.steps) for a in arrays_of(step)}
    inner = arrays - set(nest.program.inputs) - {r for r in nest.program.results if isinstance(r, Array)}
    assert all(placed(nest.steps, nest.program, 8).places[array].entries == 1 for array in inner)


def test_a_fold_over_the_loop_begins_a_new_one() -> None:
    """What needs the finished sum over the samples comes in a second loop."""
    nest = nest_of("x: (n,)\nmu = mean(x)\nL = sum((x - mu)**4)", ["x"], x=(900,))
    assert sum(isinstance(step, Loop) for step in nest.steps) >= 2


@pytest.mark.parametrize(("size", "products"), [(8, 0), (64, 3)])
def test_large_products_go_to_blas(size: int, products: int) -> None:
    """Large matrix products are calls, small ones loops; either way the gradient is the numpy backend's."""
    text = "A: (n, m)\nB: (m, k)\nL = sum((A @ B)**2)"
    shapes = {"A": (size, size + 1), "B": (size + 1, size + 2)}
    nest = nest_of(text, None, **shapes)
    assert sum(isinstance(step, Product) for step in walk(nest.steps)) == products
    draw = numpy.random.default_rng(8)
    at = {leaf: draw.normal(size=shape) for leaf, shape in shapes.items()}
    (_, expected), (_, found) = (gradient_of(text, "float64", at, backend) for backend in ("numpy", "jit"))
    for leaf, slope in expected.items():
        bound = 4 * size**2 * numpy.finfo("float64").eps * numpy.max(numpy.abs(slope))
        assert numpy.max(numpy.abs(found[leaf] - slope)) <= bound


def test_memory_is_shared_by_what_is_not_alive_together() -> None:
    """Six layers need the scratch memory of what the backward pass reads, not of every array there is."""
    shapes = {"x0": (64, 64), **{f"W{i}": (64, 64) for i in range(LAYERS)}}
    nest = nest_of(DEEP, [f"W{i}" for i in range(LAYERS)], **shapes)
    one = 64 * 64 * 8
    assert placed(nest.steps, nest.program, 8).work <= (LAYERS + 3) * one


def test_a_definition_reads_only_what_is_made() -> None:
    """In the order of the loops, every entry is made before it is read, in every model."""
    for name in NAMES:
        if name in MATRIX_FUNCTIONS:
            continue
        derivation = derived(name)
        graph = derivation.gradient
        at = point_of(BY_NAME[name], derivation.primal, sizes=sizes_for(derivation))
        lowered = lower(graph, (derivation.output, *graph.outputs), graph.leaves, is_native)
        shapes = [numpy.shape(at[leaf]) for leaf in graph.leaves]
        nest = tensors.nested(entries(lowered, shapes, frozenset(graph.selectors)), 8)
        made = set(nest.program.inputs)
        for step in walk(nest.steps):
            if isinstance(step, Loop):
                continue
            if isinstance(step, (Assign, Update, Product)):
                assert {read.array for read in reads(step.definition.body)} <= made, name
            made.add(step.definition.array)


def test_code_is_the_same_from_process_to_process() -> None:
    """The LLVM IR depends on the program and the shapes alone, so that the cache on disk finds it."""
    derivation = derived("gaussian_mixture")
    graph = derivation.gradient
    at = point_of(BY_NAME["gaussian_mixture"], derivation.primal, sizes=sizes_for(derivation))
    shapes = {leaf: numpy.shape(at[leaf]) for leaf in graph.leaves}
    texts = {
        module([tensors.routine(graph, graph.outputs, graph.leaves, "float64", shapes, False, "f")])[0]
        for _ in range(2)
    }
    assert len(texts) == 1


def test_what_an_outer_loop_adds_to_is_not_copied() -> None:
    """A fold that began outside of a loop in lanes goes on where it is; one that begins within is done in vectors."""
    outer, lanes, inner = Axis(5), Axis(16), Axis(3)
    result, factor = Array(1, (16, 3)), Array(2, (5, 3))
    places = (Position(lanes), Position(inner))
    fold = Definition(result, places, (lanes, inner), Read(factor, (Position(outer), Position(inner))), (outer,), "sum")
    update = Loop(lanes, (Loop(inner, (Update(fold),)),), lanes=True)
    begun_outside = (Clear(fold, (lanes, inner)), Loop(outer, (update,)))
    packed = Packing(2, frozenset([result])).packed(begun_outside)
    assert result in {step.definition.array for step in walk(packed) if isinstance(step, Update)}
    within = Loop(lanes, (Clear(fold, (inner,)), Loop(outer, (Loop(inner, (Update(fold),)),))), lanes=True)
    packed = Packing(2, frozenset([result])).packed((within,))
    assert result not in {step.definition.array for step in walk(packed) if isinstance(step, Update)}
    assert result in {step.definition.array for step in walk(packed) if isinstance(step, Assign)}


@pytest.mark.parametrize(("dtype", "width"), [("float64", 8), ("float32", 16)])
@pytest.mark.parametrize("name", sorted(elementary.NAMES))
def test_our_functions_keep_their_ulps(name: str, dtype: str, width: int) -> None:
    """Each is within its stated units in the last place of the exact value, and a lane computes as a number does."""
    wide, single = native_function(name, dtype, width), native_function(name, dtype, 1)
    x = arguments(name, dtype)
    y = wide(x)
    numpy.testing.assert_array_equal(y, single(x))
    with mpmath.workprec(160):
        for argument, value in zip(x, y, strict=True):
            exact = getattr(mpmath, name)(mpmath.mpf(float(argument)))
            rounded = numpy.dtype(dtype).type(float(exact))
            assert abs(mpmath.mpf(float(value)) - exact) <= elementary.ULPS[name] * float(numpy.spacing(abs(rounded)))


@pytest.mark.parametrize("name", sorted(elementary.NAMES))
def test_our_functions_at_the_ends(name: str) -> None:
    """Zeros, infinities, NaN and the ends of the range come out as NumPy has them."""
    x = numpy.array([0.0, -0.0, numpy.inf, -numpy.inf, numpy.nan, -1.0, 1e308, -1e308, 1e-310, 710.0, -746.0, 2.0**21])
    with numpy.errstate(all="ignore"):
        expected = getattr(numpy, name)(x)
    found = native_function(name, "float64", 1)(x)
    numpy.testing.assert_array_equal(numpy.isnan(found), numpy.isnan(expected))
    there = ~numpy.isnan(expected)
    finite = numpy.isfinite(expected)
    numpy.testing.assert_array_equal(found[there & ~finite], expected[there & ~finite])
    error = numpy.abs(found[finite] - expected[finite])
    assert (error <= 4 * numpy.spacing(numpy.abs(expected[finite]))).all()


def arguments(name: str, dtype: str) -> Any:
    """Numbers over a function's domain, small ones among them; for sines also where they are nearly 0."""
    draw = numpy.random.default_rng(4)
    largest = {"float64": 700.0, "float32": 87.0}[dtype]
    small = numpy.exp(draw.uniform(-30, 0, 200)) * draw.choice([-0.9, 0.9], 200)
    wide = draw.uniform(-largest, largest, 200)
    parts = {
        "log": [numpy.exp(wide), 1 + small / 100],
        "log1p": [numpy.exp(wide), small],
        "sin": [small, 1e3 * wide, numpy.round(wide) * numpy.pi / 2],
        "cos": [small, 1e3 * wide, numpy.round(wide) * numpy.pi / 2],
    }.get(name, [small, wide, draw.uniform(-1, 1, 200)])
    whole = numpy.concatenate(parts).astype(dtype)
    return whole[: len(whole) // 16 * 16]


def native_function(name: str, dtype: str, width: int) -> Any:
    """One of our functions, over arrays."""
    lines = Lines(dtype)
    symbol = elementary.require(lines, name, width)
    kind = {"float64": "double", "float32": "float"}[dtype]
    vector = f"<{width} x {kind}>" if width > 1 else kind
    run = f"""define void @run(ptr %x, ptr %y, i64 %n) {{
entry:
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %head ]
  %from = getelementptr {kind}, ptr %x, i64 %i
  %to = getelementptr {kind}, ptr %y, i64 %i
  %argument = load {vector}, ptr %from, align 4
  %value = call {vector} @{symbol}({vector} %argument)
  store {vector} %value, ptr %to, align 4
  %next = add i64 %i, {width}
  %more = icmp ult i64 %next, %n
  br i1 %more, label %head, label %end
end:
  ret void
}}"""
    declared = [external.declaration for external in lines.externals.values()]
    ir = "\n".join([*declared, *lines.definitions.values(), run, ""])
    function = engine.load(ir, ("run",), lines.externals).function(
        "run", None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64
    )

    def over(x: Any) -> Any:
        y = numpy.empty_like(x)
        function(x.ctypes.data, y.ctypes.data, len(x))
        return y

    return over
