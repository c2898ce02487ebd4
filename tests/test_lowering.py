"""Passes over lowered programs: what each does, and that it keeps the bits."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Callable, Mapping
from typing import Any

import numpy
import pytest
import sympy
import torch
from tensor_models import BY_NAME, MODELS, Model, derived, point_of

import symgrad as sg
from symgrad.backends import lower as lowering
from symgrad.backends import module
from symgrad.backends.arrays import Diagonal, SizeOf
from symgrad.backends.blocks import in_blocks
from symgrad.backends.lower import lower
from symgrad.backends.module import Lines
from symgrad.backends.numpy_code import NumpyPrinter
from symgrad.backends.passes import hoisted
from symgrad.backends.shapes import Shape, shape_of
from symgrad.backends.straight import Lowered

NAMES = [model.name for model in MODELS]


def program_of(derivation: sg.Derivation, **options: bool) -> Lowered:
    """The numpy backend's program for value and gradient."""
    graph = derivation.gradient
    outputs = (derivation.output, *graph.outputs)
    return lower(graph, outputs, graph.leaves, lambda row: bool(row.numpy), **options)


def lines_of(program: Lowered, dtype: str = "float64") -> Lines:
    return Lines(program, dtype, NumpyPrinter(program.has_arrays))


def source_of(text: str, wrt: Any = None, backend: str = "numpy") -> str:
    return sg.compile(sg.derive(sg.read(text), wrt), backend).source


def values_of(derivation: sg.Derivation, at: Mapping[str, Any]) -> list[Any]:
    return [numpy.asarray(at[leaf]) for leaf in derivation.gradient.leaves]


# results


@pytest.mark.parametrize("backend", ["numpy", "torch", "jit"])
@pytest.mark.parametrize(
    "text",
    [
        "w: (n,); x: (n,); l = sum(w*x)",  # each gradient is the other input
        "w: (n, m); x: (m, n); l = sum(w*x.T)",  # turned
        "w: (n,); x: (n,); y: (n,); l = sum(tanh(x + y - w))",  # two gradients are one array
        "w: (n, n); x: (n,); B[i,j] = w[i,j]**2; l = sum(B[i,i]*x[i], i)",  # a diagonal, which NumPy does not let write
    ],
)
def test_results_are_the_callers(text: str, backend: str) -> None:
    """What is written into one result changes no input and no other result."""
    if backend == "jit":
        pytest.importorskip("llvmlite")
    derivation = sg.derive(sg.read(text))
    sizes = {"n": 3, "m": 2}
    draw = numpy.random.default_rng(0)
    at = {n: draw.normal(size=tuple(sizes[s] for s in derivation.primal[n].shape)) for n in derivation.primal.leaves}
    given = {name: torch.as_tensor(value) if backend == "torch" else value for name, value in at.items()}
    before = {name: value.copy() for name, value in at.items()}
    program = sg.compile(derivation, backend)
    _, gradient = program.value_and_gradient(given)
    kept = {name: numpy.asarray(value).copy() for name, value in gradient.items()}
    for name in gradient:
        gradient[name][...] *= 2.0
        kept[name] *= 2.0
        for other, value in gradient.items():
            numpy.testing.assert_array_equal(numpy.asarray(value), kept[other])
    for name, value in at.items():
        numpy.testing.assert_array_equal(value, before[name])


# one operation, once


def test_primal_and_gradient_share() -> None:
    """What primal and gradient both need is computed once, and so is what two gradients need."""
    source = source_of("l = tanh(w*x + b)**2", ["w", "b"])
    assert source.count("numpy.tanh") == 1
    assert source.count("w*x") + source.count("x*w") == 1


def test_dead_code_is_left_out() -> None:
    """Every statement is read by another or returned."""
    for name in NAMES:
        program = program_of(derived(name))
        read = {s for statement in program.statements for s in statement.expression.free_symbols} | set(program.results)
        assert {s.target for s in (*program.constants, *program.statements)} <= read | {
            s for statement in program.constants for s in statement.expression.free_symbols
        }, name


@pytest.mark.parametrize(
    ("text", "told", "point"),
    [
        ("l = 1*x", "return x, ", {"x": 1.1}),
        ("l = x**2*y", "= x*x\n", {"x": 1.1, "y": 0.7}),
        ("l = x/y", "l = x/y\n", {"x": 1.1, "y": 0.7}),
        ("l = sqrt(x)", "numpy.sqrt(x)", {"x": 1.1}),
        ("l = x - y + z", "x - y + z", {"x": 1.1, "y": 0.7, "z": 0.1}),
    ],
)
def test_identities_keep_every_bit(text: str, told: str, point: dict[str, float]) -> None:
    """Shorter text that rounds as Python does with the formula."""
    program = sg.compile(sg.derive(sg.read(text)))
    assert told in program.source
    expected = eval(text.partition("= ")[2], {"sqrt": numpy.sqrt}, {k: numpy.float64(v) for k, v in point.items()})
    assert program(point).value == expected


def test_numbers_are_hoisted() -> None:
    """In the loop over scalars a number is converted to the program's precision once, and no bit changes."""
    derivation = sg.derive(sg.read("y_pred = x*w; l = 3*(y_pred - y)**2/7 + w**5/8"), "w")
    plain, changed = program_of(derivation), hoisted(program_of(derivation))
    text = lines_of(changed, "float32").descent(1)
    assert not re.search(r"[^v\w.][2-9]\*", text.partition("def descend")[2])
    assert "**5" in text, "an exponent is no operand"
    point = [numpy.float32(v) for v in (1.3, 0.7, 0.1)]
    results = [lines_of(p, "float32").compiled().function(*point) for p in (plain, changed)]
    assert results[0] == results[1]
    assert {type(r) for r in results[1]} == {numpy.float32}
    arrays = program_of(derived("mlp_one_sample"))
    assert hoisted(arrays) is arrays


# shapes


@pytest.mark.parametrize("name", NAMES)
def test_shapes_are_those_of_the_arrays(name: str) -> None:
    """What `shape_of` says of each statement is the shape of the array that NumPy makes."""
    derivation = derived(name)
    sizes = {size: 4 + 3 * position for position, size in enumerate(derivation.primal.sizes)}
    at = point_of(BY_NAME[name], derivation.primal, sizes=sizes)
    program = program_of(derivation)
    lines = lines_of(program)
    namespace: dict[str, Any] = {"numpy": numpy, "real": numpy.float64}
    exec("import scipy.special", namespace)
    shapes: dict[Any, Shape] = {stand_in: derivation.gradient[leaf].shape for leaf, stand_in in program.inputs}
    namespace |= {lines.names[stand_in]: numpy.asarray(at[leaf]) for leaf, stand_in in program.inputs}
    known: dict[Any, Any] = {}
    for statement in (*program.constants, *program.statements):
        exec(lines._statement(statement), namespace)
        if isinstance(statement.expression, SizeOf):
            array, axis = statement.expression.args
            known[statement.target] = shapes[array][int(axis)]
        shape = shapes[statement.target] = shape_of(statement.expression, shapes, known)
        value = namespace[lines.names[statement.target]]
        assert tuple(sizes.get(s, s) for s in shape) == numpy.shape(value), statement  # type: ignore[arg-type]


def test_the_shape_of_a_diagonal() -> None:
    """The axis of equal subscripts comes last, as NumPy has it."""
    derivation = sg.derive(sg.read("A: (n, n, b)\nL = A[i,i,j]**2"))
    program = program_of(derivation)
    ((_, stand_in),) = program.inputs
    diagonal = Diagonal(stand_in, sympy.Integer(0), sympy.Integer(1))
    assert any(diagonal in sympy.preorder_traversal(s.expression) for s in program.statements)
    assert shape_of(diagonal, {stand_in: ("n", "n", "b")}, {}) == ("b", "n")


# blocks


def blocked(derivation: sg.Derivation, monkeypatch: pytest.MonkeyPatch, rows: int) -> Lines | None:
    """The program in blocks of that many rows."""
    monkeypatch.setattr(module, "BYTES", 1)
    monkeypatch.setattr(lowering, "in_blocks", lambda *plan: in_blocks(*plan, fewest=rows))
    program = program_of(derivation, blocks=True)
    return None if program.blocks is None else lines_of(program)


QUALIFY = {
    ("mlp_classifier", "W1"), ("softmax_cross_entropy", "W"), ("logistic_regression", "w"), ("ridge", "w"),
    ("gaussian_mixture", "M"), ("layer_norm", "g"), ("bundle_adjustment", "f"), ("k_means", "C"),
}  # fmt: skip
"""Some that are summed over samples, and the parameter; the table below tries every model and leaf."""

WHOLE = {("batch_norm", "g"), ("mlp_classifier", "X"), ("gaussian_mixture", "X"), ("standard_deviation", "A")}
"""What needs a mean before the end, or returns an array along the samples."""


def test_which_programs_go_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sum over samples does; what needs a sum earlier, or has the samples in its result, does not."""
    for name, leaf in sorted(QUALIFY | WHOLE):
        plan = blocked(sg.derive(derived(name).primal, [leaf]), monkeypatch, 2)
        assert (plan is not None) == ((name, leaf) in QUALIFY), (name, leaf)


@pytest.mark.parametrize("rows", [2, 3, 1000])
def test_blocks_add_up_to_the_whole(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model by every leaf, in small blocks, has the numbers of the whole; in one block, its bits."""
    seen = 0
    for name in NAMES:
        whole, model = derived(name), BY_NAME[name]
        sizes = {size: 5 + 2 * position for position, size in enumerate(whole.primal.sizes)}
        at = point_of(model, whole.primal, sizes=sizes)
        for leaf in whole.wrt:
            derivation = sg.derive(whole.primal, [leaf])
            lines = blocked(derivation, monkeypatch, rows)
            if lines is None:
                continue
            seen += 1
            values = values_of(derivation, at)
            expected = lines_of(program_of(derivation)).compiled().function(*values)
            for told, right in zip(lines.compiled().function(*values), expected, strict=True):
                if rows == 1000:
                    numpy.testing.assert_array_equal(told, right, err_msg=f"{name} {leaf}")
                else:
                    scale = 1 + numpy.max(numpy.abs(right))
                    numpy.testing.assert_allclose(told, right, atol=1e-13 * scale, err_msg=f"{name} {leaf}")
    assert seen >= 25


@pytest.mark.parametrize(
    "text",
    [
        "x: (n,)\nw: ()\nL = sum(w*x[0]*x)",
        "x: (n,)\nw: ()\nL = w*max(x*x) + sum(w*x)",
        "x: (n,)\nw: (n,)\nv: ()\nL = sum((v*x - mean(v*x))**2)",
        "x: (n,)\nw: ()\nL = sum(exp(-w*(x[i] - x[j])**2), i, j)",
        "x: (n,)\nA: (n, n)\nw: ()\nL = w*dot(x, A @ x)",
        "x: (n,)\nt: (n,)\nw: ()\nL = w*x[t[i]]*x[i]",
        "x: (n,)\nw: ()\nL = sum(where(i == 2, w*x[i], 0), i)",
    ],
)
def test_what_mixes_samples_stays_whole(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry of its own, a maximum, an early mean, pairs of samples and samples chosen by others are not blocked."""
    wrt = "v" if "v: ()" in text else "w"
    assert blocked(sg.derive(sg.read(text), wrt), monkeypatch, 2) is None


def test_blocks_of_no_samples() -> None:
    """Without any sample a gradient is a zero of its shape."""
    program = sg.compile(sg.derive(sg.read("X: (n, d)\nw: (d,)\nL = sum((X @ w)**2)"), "w"))
    assert "for start in" in program.source
    value, gradient = program.value_and_gradient({"X": numpy.zeros((0, 3)), "w": numpy.ones(3)})
    assert value == 0
    numpy.testing.assert_array_equal(gradient["w"], numpy.zeros(3))


def test_full_batch_training_in_blocks() -> None:
    """Training on all samples at once goes block by block and ends where the whole sums end."""
    count = 150_000
    x = numpy.linspace(-1, 1, count)
    data = {"x": x, "y": 2 * x}
    derivation = sg.derive(sg.read("y_pred = x*w; l = (y_pred - y)**2"), "w")
    run = sg.train(derivation, data, {"w": 1.0}, lr=0.1, epochs=3, batch_size=None)
    w = 1.0
    for _ in range(3):
        w -= 0.1 * float(numpy.sum(2 * (x * w - 2 * x) * x)) / count
    assert run.parameters["w"] == pytest.approx(w, rel=1e-13)


# memory


def peak_of(function: Callable[..., Any], values: list[Any]) -> int:
    """The largest number of bytes held at once beyond the inputs."""
    function(*values)
    tracemalloc.start()
    try:
        function(*values)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_blocks_need_little_memory() -> None:
    """Between a million numbers and their sum there is never an array of a million."""
    program = sg.compile(sg.derive(sg.read("x: (n,)\ny: (n,)\nw: ()\nL = mean((tanh(x*w) - y)**2)"), "w"))
    values = [numpy.ones(10**6), numpy.ones(10**6), numpy.float64(0.5)]
    assert peak_of(program._gradient.function, values) < 10**6 * 8 / 2


MIXTURE = "X: (n, d)\nM: (k, d)\na: (k,)\nS[i,j] = a[j] - (X[i,c] - M[j,c])**2/2\nL = logsumexp(a) - sum(logsumexp(S))"


def test_memory_is_at_most_twice_what_torch_keeps() -> None:
    """Inputs, outputs and what torch saves for its backward pass, twice, bound what a gradient holds at once."""
    n, d, k = 400, 6, 8
    draw = numpy.random.default_rng(0)
    at = {"X": draw.normal(size=(n, d)), "M": draw.normal(size=(k, d)), "a": draw.normal(size=k)}
    derivation = sg.derive(sg.read(MIXTURE))
    values = values_of(derivation, at)
    function = sg.compile(derivation)._gradient.function
    leaves = {name: torch.tensor(value, requires_grad=True) for name, value in at.items()}
    saved: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        scores = leaves["a"] - ((leaves["X"][:, None, :] - leaves["M"]) ** 2).sum(2) / 2
        value = torch.logsumexp(leaves["a"], 0) - torch.logsumexp(scores, 1).sum()
    value.backward()
    value = value.detach()
    inputs = sum(v.nbytes for v in values)
    results = function(*values)
    assert float(value) == pytest.approx(float(results[0]), rel=1e-12)
    outputs = sum(numpy.asarray(r).nbytes for r in results)
    between = sum(size for at_, size in saved.items() if at_ not in {t.data_ptr() for t in leaves.values()})
    assert inputs + peak_of(function, values) <= 2 * (inputs + outputs + between)


def test_what_nobody_reads_again_is_freed() -> None:
    """The executed function lets go of dead arrays; the text that is shown does not speak of it."""
    derivation = sg.derive(sg.read("S: (n, c)\nA = softmax(S*S)\nL = sum(sin(A)**2)"))
    lines, values = lines_of(program_of(derivation)), [numpy.ones((300, 300))]
    keeps = lines._defined(lines.function(), "gradient")
    assert peak_of(lines.compiled().function, values) < 0.8 * peak_of(keeps, values)
    assert "del " not in lines.compiled().source


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_one_array_serves_lines_that_order_its_axes_differently(backend: str) -> None:
    """The differences of a mixture are made once, though each gradient names and orders their axes in its own way."""
    source = source_of(MIXTURE, backend=backend)
    assert len(re.findall(r" - M\b", source)) == 1
    assert source.count("@") == 2
    assert ".transpose(0, 2, 1)" not in source
    assert ".permute(0, 2, 1)" not in source, "the vector goes to the side where the matrix need not be transposed"


# sums of squares


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("r: (n,)\nL = sum(r**2)", {"numpy": "L = r @ r\n", "torch": "L = r @ r\n"}),
        ("r: (n,)\nL = 3*sum(r**2)/n", {"numpy": "3*(r @ r)/n", "torch": "3*(r @ r)/n"}),
        ("R: (n, d)\nL = sum(R**2)", {"numpy": "numpy.vdot(R, R)", "torch": "R.flatten().dot(R.flatten())"}),
        ("A: (n, d)\nB: (n, d)\nL = sum(A*B)", {"numpy": "numpy.vdot(A, B)"}),
        ("A: (n, n)\nB: (n, n)\nL = sum(A*B.T)", {"numpy": "numpy.tensordot(A, B, ([0, 1], [1, 0]))"}),
        ("R: (n, d)\nq[i] = sum(R[i,j]**2, j)\nL = sum(exp(q))", {"numpy": 'numpy.einsum("ij,ij->i", R, R)'}),
        ("R: (n, d)\nq[i] = sum(R[i,j]**2, j)\nL = sum(exp(q))", {"torch": "(R*R).sum(dim=1)"}),
        ("R: (n, d)\nq[j] = sum(R[i,j]**2, i)\nL = sum(exp(q))", {"numpy": 'numpy.einsum("ij,ij->j", R, R)'}),
        ("A: (n, d)\nB: (n, d)\nL = sum(exp(sum(A[i,j]*B[i,j], j)), i)", {"torch": "(A*B).sum(dim=1)"}),
        ("r: (n,)\nL = sum(r**3)", {"numpy": "(r*r*r).sum()"}),
        ("r: (n,)\nL = max(r**2)", {"numpy": "v1 = r*r\n"}),
    ],
)
def test_sums_of_squares_are_contractions(text: str, told: dict[str, str]) -> None:
    """No array of squares is made where the library adds them up as it goes; the value is that of the sum."""
    derivation = sg.derive(sg.read(text))
    for backend, code in told.items():
        program = sg.compile(derivation, backend)
        assert code in program.source
        at = point_of(Model("one", text, {}), derivation.primal)
        plain = lines_of(program_of(derivation)).compiled().function(*values_of(derivation, at))
        assert program(at).value == pytest.approx(float(plain[0]), rel=1e-13)


# calls that torch has


@pytest.mark.parametrize(
    ("text", "wrt", "told"),
    [
        ("X: (n, d)\nW: (d, c)\nb: (c,)\nL = sum((X @ W + b)**2)", "W", "(X @ W).add_(b)"),
        ("S: (n, c)\nA = softmax(S)\nL = sum(A**2)", "S", "torch.softmax(S, dim=1)"),
        ("S: (n, c)\nA = softmax(S, axis=0)\nL = sum(A**2)", "S", "torch.softmax(S, dim=0)"),
        ("Z: (n, c)\nt: (n,)\nL = sum(logsumexp(Z) - select(Z, t))/n", "Z", ".scatter_(1, t.unsqueeze(1), v2, "),
        ("Z: (n, c)\nt: (n,)\nL = sum(logsumexp(Z) + select(Z, t))", "Z", ".scatter_(1, t.unsqueeze(1), 1, "),
        ("Z: (n, c)\nt: (n,)\nL = sum(logsumexp(Z) - select(Z, t))", "Z", "v1 = torch.log_softmax(Z, dim=1)\n"),
        ("Z: (n, c)\nt: (n,)\nL = sum(logsumexp(Z) - select(Z, t))", "Z", "v1.gather(1, t.unsqueeze(1)).squeeze(1)"),
        ("Z: (n, c)\nt: (n,)\nL = sum(logsumexp(Z) + select(Z, t))", "Z", "Z.gather(1, t.unsqueeze(1)).squeeze(1)"),
        ("x: (d,)\nW: (h, d)\na = tanh(W @ x)\nL = sum(a**2)", "W", "torch.ops.aten.tanh_backward("),
    ],
)
def test_one_call_where_torch_has_one(text: str, wrt: str, told: str) -> None:
    """The call stands in the torch program, which computes what the numpy program computes."""
    derivation = sg.derive(sg.read(text), wrt)
    assert told in sg.compile(derivation, "torch").source
    at = point_of(Model("one", text, {"t": "labels:c"}), derivation.primal)
    ours, theirs = (sg.compile(derivation, backend)(at).gradient[wrt] for backend in ("numpy", "torch"))
    numpy.testing.assert_allclose(theirs, ours, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    "text",
    [
        "Z: (n, c)\nt: (n,)\nL = sum(logsumexp(Z) - select(Z, t)) + sum(logsumexp(Z)**2)",
        "Z: (n, c)\nt: (n,)\nL = sum(logsumexp(Z) + select(Z, t))",
        "Z: (n, c)\nt: (n,)\nL = sum(logsumexp(2*Z) - select(Z, t))",
        "Z: (n, c)\nt: (n,)\nq = logsumexp(Z)\nL = sum(q - select(Z, t)) - sum(Z[i,j]*q[i], i, j)",
        "Z: (c, n)\nt: (n,)\nL = sum(logsumexp(Z[k,b], k) - Z[t[b],b], b)",
    ],
)
def test_a_logsumexp_that_others_read_stays(text: str) -> None:
    """A log-softmax stands for a logsumexp only where rows and their picked entries are all that it meets."""
    derivation = sg.derive(sg.read(text), "Z")
    assert "log_softmax" not in sg.compile(derivation, "torch").source
    at = point_of(Model("one", text, {"t": "labels:c"}), derivation.primal)
    ours, theirs = (sg.compile(derivation, backend)(at).gradient["Z"] for backend in ("numpy", "torch"))
    numpy.testing.assert_allclose(theirs, ours, rtol=1e-12, atol=1e-13)
