"""Native programs on tensors: right step by step, the numpy backend's bits, and memory that is nobody else's."""

from __future__ import annotations

import threading
from typing import Any

import numpy
import pytest
from naive import evaluate
from tensor_models import BY_NAME, MODELS, Model, derived, point_of

import symgrad as sg
from symgrad.backends.numpy import compile_graph
from symgrad.calculus.batch import batch
from symgrad.errors import BackendError, DataError
from symgrad.examples import ORDER, source

pytest.importorskip("llvmlite", reason="the extra jit is not installed")

from symgrad.backends.jit import calls, tensors
from symgrad.backends.jit import compile_graph as compile_native
from symgrad.backends.jit.abi import Slot

NAMES = [model.name for model in MODELS]
SIZES = (17, 9, 18, 10, 16)
"""Whole vectors with and without a rest, for float32 and float64."""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or leaves anything in the user's cache."""
    monkeypatch.setenv("SYMGRAD_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "jit-cache"))


@pytest.fixture
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """LLVM optimises at level 1, for the time's sake."""
    monkeypatch.setattr(calls, "LONG", 0)


def sizes_for(derivation: sg.Derivation) -> dict[str, int]:
    """Sizes that fill vectors."""
    return {size: SIZES[n % len(SIZES)] for n, size in enumerate(derivation.primal.sizes)}


def gradient_of(text: str, dtype: str, at: dict[str, Any], backend: str = "jit", wrt: Any = None) -> Any:
    """Value and gradient of a text."""
    return sg.compile(sg.derive(sg.read(text), wrt), backend, dtype).value_and_gradient(at)


# right


@pytest.mark.usefixtures("_quickly")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_every_step_is_within_its_budget(name: str, dtype: str) -> None:
    """Each value, contribution and adjoint of each model is what its own inputs give, but for the step's rounding."""
    derivation = derived(name)
    at = point_of(BY_NAME[name], derivation.primal, sizes=sizes_for(derivation))
    verification = sg.verify(derivation, at, dtype=dtype, program=sg.compile(derivation, "jit", dtype))
    assert verification.passed, [v for v in verification.verdicts if not v.passed][:3]


@pytest.mark.usefixtures("_quickly")
@pytest.mark.parametrize("name", NAMES)
def test_loops_mean_what_plain_loops_mean(name: str) -> None:
    """Every node of every model equals a naive evaluation, as many roundings apart as its sums are long."""
    derivation = derived(name)
    graph = derivation.gradient
    at = sg.compile(derivation, "numpy").point(point_of(BY_NAME[name], derivation.primal, seed=5))
    expected = evaluate(graph, at)
    order = tuple(node.name for node in graph.nodes)
    found = compile_native(graph, order, graph.leaves, "float64").native(*(at[leaf] for leaf in graph.leaves))
    longest = max(int(numpy.size(value)) for value in at.values())
    largest = max(float(numpy.max(numpy.abs(value))) for value in expected.values())
    bound = 8 * longest * len(order) * largest * numpy.finfo("float64").eps
    for node, value in zip(order, found, strict=True):
        assert numpy.max(numpy.abs(numpy.asarray(value) - expected[node])) <= bound, node


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "text",
    [
        "x: (n, m)\ny: (m,)\nB = (x*y - 2*y)/(x**2 + 3) + sqrt(x**2)",
        "x: (n, m)\ny: (m,)\nB = where(x > y, x - y, 0.1*x)**3",
        "x: (n, m)\ny: (m,)\nB = max(x, y)*abs(x) + relu(y) - min(x, 0.5)/3",
        "x: (n, m)\ny: (m,)\nB[i,j] = x[i,j]*y[j] + where(i > j, x[i,j], -y[j])",
    ],
)
def test_arithmetic_has_the_numpy_backends_bits(text: str, dtype: str) -> None:
    """Where there is only arithmetic and sqrt, entry by entry, every bit is the same."""
    graph = sg.read(text)
    draw = numpy.random.default_rng(0)
    values = [draw.normal(size=(19, 37)).astype(dtype), draw.normal(size=37).astype(dtype)]
    (expected,) = compile_graph(graph, ("B",), ("x", "y"), dtype).function(*values)
    (found,) = compile_native(graph, ("B",), ("x", "y"), dtype).native(*values)
    numpy.testing.assert_array_equal(found, expected, strict=True)


@pytest.mark.parametrize("name", ORDER)
def test_examples(name: str) -> None:
    """Every bundled example with tensors has the numpy backend's values."""
    graph = sg.read(source(name))
    if not graph.has_tensors:
        pytest.skip("no tensors in it")
    derivation = sg.derive(graph)
    draw = numpy.random.default_rng(1)
    sizes = sizes_for(derivation)
    shapes = {leaf: tuple(sizes.get(s, s) for s in graph[leaf].shape) for leaf in graph.leaves}
    at = {
        leaf: draw.integers(0, 3, size=shape) if leaf in graph.selectors else numpy.abs(draw.normal(size=shape)) + 0.1
        for leaf, shape in shapes.items()
    }
    expected, found = (sg.compile(derivation, backend)(at) for backend in ("numpy", "jit"))
    for node, value in expected.adjoints.items():
        scale = 1 + float(numpy.max(numpy.abs(value)))
        numpy.testing.assert_allclose(found.adjoints[node], value, rtol=0, atol=1e-12 * scale, err_msg=node)


FULL_MIXTURE = """
X: (n, d)
M: (k, d)
W: (k, d, d)
D[i,j,a] = X[i,a] - M[j,a]
V[i,j,a] = W[j,a,b]*D[i,j,b]
S[i,j] = -V[i,j,a]**2/2
L = sum(logsumexp(S))
"""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        (FULL_MIXTURE, {"n": 107, "d": 11, "k": 9}),
        (BY_NAME["multi_head_attention"].text, {"n": 40, "d": 9, "h": 40, "e": 9}),
        (BY_NAME["contraction_of_three"].text, {"n": 17, "j": 20, "m": 23, "k": 26}),
        (BY_NAME["mlp_classifier"].text, {"n": 70, "d": 50, "h": 40, "c": 10}),
    ],
    ids=["tiles", "folds over two loops", "three folds", "products"],
)
def test_larger_shapes(text: str, sizes: dict[str, int], dtype: str) -> None:
    """Shapes that take several vectors at a time, fold across loops and call BLAS give the numpy backend's gradient."""
    graph = sg.read(text)
    derivation = sg.derive(graph)
    at = sg.compile(derivation, "numpy", dtype).point(point_of(Model("", text, {"t": "labels:c"}), graph, sizes=sizes))
    at = {leaf: value if leaf == "t" else value / 4 for leaf, value in at.items()}
    (loss, expected), (value, found) = (
        sg.compile(derivation, backend, dtype).value_and_gradient(at) for backend in ("numpy", "jit")
    )
    roundings = 4 * sum(sizes.values()) * numpy.finfo(dtype).eps
    assert abs(value - loss) <= roundings * (abs(loss) + numpy.size(at[graph.leaves[0]]))
    for leaf, slope in expected.items():
        bound = roundings * (1 + float(numpy.max(numpy.abs(slope))))
        assert float(numpy.max(numpy.abs(found[leaf] - slope))) <= bound, leaf


@pytest.mark.parametrize("second", ["product", "blocks"])
def test_second_derivatives(second: str) -> None:
    """Hessians, which have the output's axes too, and their products with vectors."""
    blocks = second == "blocks"
    derivation = sg.hessian(derived("mlp_one_sample"))["W1"] if blocks else sg.hvp(derived("attention"))
    graph = derivation.gradient
    draw = numpy.random.default_rng(2)
    sizes = {size: 4 + 5 * n for n, size in enumerate(graph.sizes)}
    values = [draw.normal(size=tuple(sizes.get(s, s) for s in graph[leaf].shape)) for leaf in graph.leaves]
    expected = compile_graph(graph, graph.outputs, graph.leaves, "float64").function(*values)
    found = compile_native(graph, graph.outputs, graph.leaves, "float64").native(*values)
    for one, other in zip(expected, found, strict=True):
        numpy.testing.assert_allclose(other, one, rtol=0, atol=1e-11 * (1 + float(numpy.max(numpy.abs(one)))))


def test_fastmath_changes_last_digits_only() -> None:
    """With it sums may be reassociated and products fused: the values are those of the numpy backend, nearly."""
    derivation = derived("gaussian_mixture")
    at = point_of(BY_NAME["gaussian_mixture"], derivation.primal, sizes=sizes_for(derivation))
    exact, fast = sg.compile(derivation, "numpy")(at), sg.compile(derivation, "jit", fastmath=True)(at)
    for leaf, slope in exact.gradient.items():
        bound = 1e-12 * (1 + float(numpy.max(numpy.abs(slope))))
        numpy.testing.assert_allclose(fast.gradient[leaf], slope, rtol=0, atol=bound)


def test_long_chains_are_no_deep_expressions() -> None:
    """A chain of 600 nodes over samples compiles, within Python's default limit on recursion, and is right."""
    lines = ["h0 = w*x", *(f"h{i + 1} = h{i}*w + x" for i in range(600)), "l = h600**2"]
    derivation = sg.derive(sg.read("\n".join(lines)), "w")
    graph, count = batch(derivation, ("x",))
    values = {"x": numpy.linspace(-1, 1, 21), "w": numpy.float64(0.9), count: numpy.float64(21)}
    given = [values[leaf] for leaf in graph.leaves]
    expected = compile_graph(graph, graph.outputs, graph.leaves, "float64").function(*given)
    found = compile_native(graph, graph.outputs, graph.leaves, "float64").native(*given)
    numpy.testing.assert_allclose(found, expected, rtol=600 * 4 * numpy.finfo("float64").eps)


def test_long_sums_keep_their_digits() -> None:
    """A sum of a million float32 numbers is as right as two levels of lanes make it, not off by a million roundings."""
    derivation = sg.derive(sg.read("y_pred = x*w; l = (y_pred - y)**2"), "w")
    graph, count = batch(derivation, ("x", "y"))
    n = 2**20 + 5
    draw = numpy.random.default_rng(3)
    x, y = draw.normal(size=(2, n)).astype("float32")
    values = {"x": x, "y": y, "w": numpy.float32(2), count: numpy.float32(n)}
    loss, slope = compile_native(graph, graph.outputs, graph.leaves, "float32").native(
        *(values[leaf] for leaf in graph.leaves)
    )
    wide = x.astype("float64") * 2 - y
    roundings = 256 + n // (256 * 16) + 16 + 8
    unit = numpy.finfo("float32").eps / 2
    assert abs(loss - numpy.mean(wide**2)) <= roundings * unit * numpy.mean(wide**2)
    assert abs(slope - numpy.mean(2 * wide * x)) <= roundings * unit * numpy.mean(numpy.abs(2 * wide * x))


# what goes in and out


LINEAR = "X: (n, d)\nw: (d,)\nt: (n,)\nL = sum((X @ w - t)**2) + c"


def test_layouts_and_dtypes_are_brought_to_the_programs_own() -> None:
    """Fortran order, strides, whole numbers, float32, lists and Python floats give what contiguous doubles give."""
    draw = numpy.random.default_rng(5)
    x, w, t = draw.integers(-4, 5, size=(12, 5)), draw.integers(-4, 5, size=5), draw.integers(-4, 5, size=12)
    good = gradient_of(LINEAR, "float64", {"X": x * 1.0, "w": w * 1.0, "t": t * 1.0, "c": 2.0})
    padded = numpy.zeros((24, 10))
    padded[::2, ::2] = x
    for change in (
        {"X": numpy.asfortranarray(x * 1.0)},
        {"X": padded[::2, ::2]},
        {"X": x, "w": w, "t": t, "c": 2},
        {"X": x.astype("float32"), "w": w.tolist(), "c": numpy.float32(2)},
    ):
        value, gradient = gradient_of(LINEAR, "float64", {"X": x * 1.0, "w": w * 1.0, "t": t * 1.0, "c": 2.0, **change})
        assert value == good[0]
        for leaf, expected in good[1].items():
            numpy.testing.assert_array_equal(gradient[leaf], expected)


@pytest.mark.parametrize(("n", "d"), [(1, 1), (1, 20), (20, 1), (8, 8), (0, 3), (3, 0)])
def test_axes_of_one_entry_and_of_none(n: int, d: int) -> None:
    """One row, one column and none give what the numpy backend gives."""
    draw = numpy.random.default_rng(6)
    at = {"X": draw.normal(size=(n, d)), "w": draw.normal(size=d), "t": draw.normal(size=n), "c": 1.0}
    (expected, slopes), (found, gradient) = (gradient_of(LINEAR, "float64", at, b) for b in ("numpy", "jit"))
    assert found == pytest.approx(expected, rel=1e-13)
    for leaf, slope in slopes.items():
        numpy.testing.assert_allclose(gradient[leaf], slope, atol=1e-12, err_msg=leaf)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"W": numpy.zeros((3, 3))}, "the size 'd' is 2 in 'x', but 3 in 'W'"),
        ({"x": 1.0}, r"'x' has shape \(d,\), but its value has shape \(\)"),
        ({"t": 3}, "'t' holds the label 3, but there are 3 to select from, 0 to 2"),
        ({"t": -1}, "whole numbers from 0"),
    ],
)
def test_bad_points_are_refused(change: dict[str, Any], message: str) -> None:
    """What does not fit is refused with the numpy backend's words, also where values are not checked before."""
    derivation = sg.derive(sg.read("x: (d,)\nW: (c, d)\nt: ()\nz = W @ x\nL = logsumexp(z) - select(z, t)"), "W")
    program = sg.compile(derivation, "jit")
    good: dict[str, Any] = {"x": numpy.ones(2), "W": numpy.ones((3, 2)), "t": 1}
    program(good)
    for call in (program, program.value_and_gradient):
        with pytest.raises(DataError, match=message):
            call({**good, **change})


def test_matrix_functions_are_left_to_numpy() -> None:
    """The whole program with them, and native code that would call it is refused."""
    derivation = derived("inverse")
    at = point_of(BY_NAME["inverse"], derivation.primal)
    expected, found = (sg.compile(derivation, backend)(at) for backend in ("numpy", "jit"))
    assert found.value == expected.value
    graph = derivation.gradient
    with pytest.raises(BackendError, match="no native form"):
        tensors.routine(graph, graph.outputs, graph.leaves, "float64", {"A": (2, 2), "a": (2,), "b": (2,)}, False, "f")
    singular = sg.compile(sg.derive(sg.read("A: (n, n)\nL = logdet(A) + sum(inv(A))")), "jit")
    with pytest.raises(DataError, match="a matrix is singular at this point"):
        singular({"A": [[1.0, 1.0], [1.0, 1.0]]})


def test_results_are_the_callers() -> None:
    """A result that is held, or a view of it, is not overwritten by later calls; nor is an input."""
    program = sg.compile(sg.derive(sg.read("X: (n, m)\nL = sum(X**3)")), "jit")
    large = numpy.random.default_rng(7).normal(size=(300, 70))
    at = {"X": large}
    _, first = program.value_and_gradient(at)
    held, view = first["X"], program.value_and_gradient(at)[1]["X"][3]
    kept, seen = held.copy(), view.copy()
    for factor in (2.0, 3.0):
        program.value_and_gradient({"X": factor * large})
    numpy.testing.assert_array_equal(held, kept)
    numpy.testing.assert_array_equal(view, seen)
    assert held.flags.owndata
    numpy.testing.assert_array_equal(at["X"], large)


def test_memory_of_dropped_results_is_used_again() -> None:
    """Large results that nobody holds any more give their memory to the next call."""
    program = sg.compile(sg.derive(sg.read("X: (n, m)\nL = sum(X**3)")), "jit")
    at = {"X": numpy.ones((300, 70))}
    addresses = {program.value_and_gradient(at)[1]["X"].ctypes.data for _ in range(5)}
    assert len(addresses) == 1


def test_addresses_are_asked_for_where_the_layout_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter whose array objects are laid out otherwise gets the same results, of unaligned arrays too."""
    monkeypatch.setattr(calls, "_KNOWN_LAYOUT", False)
    x = numpy.random.default_rng(8).normal(size=33)
    shifted = numpy.frombuffer(b"." + x.tobytes(), offset=1)
    assert not shifted.flags.aligned
    value, gradient = gradient_of("x: (n,)\nL = sum(x**3)", "float64", {"x": shifted})
    assert value == pytest.approx(numpy.sum(x**3), rel=1e-13)
    numpy.testing.assert_allclose(gradient["x"], 3 * x**2, rtol=1e-15)


LAYERS = 6
DEEP = "\n".join(
    [
        "x0: (n, d)",
        *(f"W{i}: (d, d)" for i in range(LAYERS)),
        *(f"x{i + 1} = tanh(x{i} @ W{i})" for i in range(LAYERS)),
        f"L = sum(x{LAYERS}**2)",
    ]
)


def test_two_threads_at_once() -> None:
    """Each thread has its own scratch memory."""
    program = sg.compile(sg.derive(sg.read(DEEP)), "jit")
    points = []
    for seed in range(2):
        draw = numpy.random.default_rng(seed)
        points.append({leaf: draw.normal(size=(128, 128)) / 11 for leaf in program.leaves})
    alone = [program.value_and_gradient(point) for point in points]
    wrong: list[str] = []

    def work(number: int) -> None:
        for _ in range(20):
            value, gradient = program.value_and_gradient(points[number])
            if value != alone[number][0]:
                wrong.append("value")
            wrong.extend(n for n, g in gradient.items() if not numpy.array_equal(g, alone[number][1][n]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_threads_share_no_memory_for_results() -> None:
    """Memory that one thread's results had is not given to another thread's."""
    room = calls.Room([Slot((200, 200), "float64")])
    here = room.arrays()[0].ctypes.data
    there: list[int] = []
    thread = threading.Thread(target=lambda: there.append(room.arrays()[0].ctypes.data))
    thread.start()
    thread.join()
    assert room.arrays()[0].ctypes.data == here
    assert there != [here]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("text", ["sum(1/relu(x))", "sum(1/max(x, y))", "sum(1/min(x, y))", "sum(1/max(y, x))"])
def test_zeros_in_arrays_have_the_numpy_backends_sign(text: str, dtype: str) -> None:
    """Of two zeros NumPy's vector code takes the second, in every lane and in what is left over."""
    if str(numpy.maximum(numpy.full(20, 0.0), numpy.full(20, -0.0))[-1]) != "-0.0":
        pytest.skip("NumPy takes another zero on this processor")
    derivation = sg.derive(sg.read(f"x: (n,); y: (n,); q = {text.removeprefix('sum(')[:-1]}; l = sum(q)"), ["x"])
    at = {"x": numpy.full(19, -0.0), "y": numpy.zeros(19)}
    with numpy.errstate(all="ignore"):
        first, second = (sg.compile(derivation, backend=b, dtype=dtype)(at).nodes["q"] for b in ("numpy", "jit"))
    numpy.testing.assert_array_equal(first, second)
