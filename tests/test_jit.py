"""The compiled backend: its bits, and what it does where it cannot work."""

from __future__ import annotations

import ctypes
import itertools
import math
import platform
import subprocess
import sys
import threading
from functools import cache
from typing import Any

import numpy
import pytest
import sympy
from cases import BY_NAME as CASE
from cases import CASES, Case

import symgrad as sg
from symgrad.backends import DTYPES
from symgrad.backends.numpy import compile_graph as compile_numpy
from symgrad.errors import BackendError
from symgrad.functions import BY_NAME
from symgrad.training.choice import is_exact

pytest.importorskip("llvmlite", reason="the extra jit is not installed")

from symgrad.backends.jit import compile_graph, engine
from symgrad.backends.jit.functions import ULPS
from symgrad.backends.jit.instructions import Emitter

SEED = "y_pred = x*w; l = (y_pred - y)**2"


def ids(case: Case) -> str:
    """A case by its name."""
    return case.name


@cache
def derived(name: str) -> sg.Derivation:
    """A case, derived once for all tests."""
    return CASE[name].derive()


def both(name: str, dtype: str) -> tuple[list[str], tuple[Any, ...], tuple[Any, ...]]:
    """Every node's name, and its value by the numpy and by the jit backend."""
    derivation = derived(name)
    graph = derivation.gradient
    names = [node.name for node in graph.nodes]
    point = sg.compile(derivation, dtype=dtype).point(CASE[name].at)
    values = [point[leaf] for leaf in graph.leaves]
    with numpy.errstate(all="ignore"):
        plain = compile_numpy(graph, names, graph.leaves, dtype).function(*values)
    return names, plain, compile_graph(graph, names, graph.leaves, dtype).function(*values)


EXACT = [c for c in CASES if all(n.body is None or is_exact(n.body) for n in derived(c.name).gradient.nodes)]


def test_half_the_table_is_exact() -> None:
    """The comparison of bits is no empty one."""
    assert len(EXACT) > 40


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", EXACT, ids=ids)
def test_arithmetic_has_the_numpy_backends_bits(case: Case, dtype: str) -> None:
    """Where a model takes arithmetic and square roots alone, every node has the same bits, and the same type."""
    names, plain, native = both(case.name, dtype)
    assert {n: (repr(v), type(v)) for n, v in zip(names, native, strict=True)} == {
        n: (repr(v), type(v)) for n, v in zip(names, plain, strict=True)
    }


@pytest.mark.parametrize("case", CASES[:12], ids=ids)
def test_a_program_evaluates_and_verifies(case: Case) -> None:
    """An evaluation has all that the numpy backend's has, and autograd agrees with it."""
    derivation = derived(case.name)
    program = sg.compile(derivation, "jit")
    native, plain = program(case.at), sg.compile(derivation)(case.at)
    for part in ("gradient", "nodes", "adjoints", "partials", "contributions"):
        assert getattr(native, part).keys() == getattr(plain, part).keys()
    assert sg.verify(derivation, at=case.at, program=program).passed
    value, gradient = program.value_and_gradient(program.point(case.at))
    assert (float(value), {n: float(g) for n, g in gradient.items()}) == (native.value, dict(native.gradient))


# functions, one by one


def _points(name: str) -> list[tuple[float, ...]]:
    """Ordinary and extreme arguments of a function."""
    generator = numpy.random.default_rng(7)
    spread = [float(x) for x in generator.normal(size=400) * numpy.exp(generator.normal(size=400))]
    match name:
        case "log" | "lgamma" | "digamma" | "polygamma" | "sqrt":
            spread = [abs(x) + 1e-3 for x in spread]
        case "log1p":
            spread = [abs(x) - 0.9 for x in spread]
        case "asin" | "acos" | "atanh":
            spread = [math.tanh(x) for x in spread]
        case "acosh":
            spread = [1 + abs(x) for x in spread]
    edges = [] if name in ("lgamma", "digamma", "polygamma") else [0.0, -0.0, 1.0, -1.0, 1e-30, 700.0, -700.0, math.inf]
    if name == "polygamma":
        return [(n, x) for n in (1, 2, 3) for x in spread[:50]]
    if BY_NAME.get(name) is not None and BY_NAME[name].arity == 2:
        return [*zip(spread, reversed(spread), strict=True), (1.0, 1.0), (0.0, -0.0), (math.nan, 1.0), (1.0, math.nan)]
    return [(x,) for x in (*spread, *edges, math.nan)]


NATIVE = sorted({row.name for row in BY_NAME.values() if row.numpy} - {"polygamma"})


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*NATIVE, "polygamma"])
def test_functions_keep_their_distance(name: str, dtype: str) -> None:
    """Each function is within its stated ULPs of the numpy backend's value, and infinite or NaN where that is."""
    row, real, worst = BY_NAME[name], getattr(numpy, dtype), 0.0
    inner = "polygamma({0}, x)" if name == "polygamma" else f"{name}({'x' if row.arity == 1 else 'x, y'})"
    for order in (1, 2, 3) if name == "polygamma" else (0,):
        graph = sg.read(f"l = {inner.format(order)}")
        leaves = graph.leaves
        plain = compile_numpy(graph, ("l",), leaves, dtype).function
        native = compile_graph(graph, ("l",), leaves, dtype).function
        for point in _points(name):
            if name == "polygamma" and point[0] != order:
                continue
            values = [real(x) for x in point[-len(leaves) :]]
            with numpy.errstate(all="ignore"):
                (expected,), (found,) = plain(*values), native(*values)
                if numpy.isfinite(expected):
                    worst = max(worst, abs(float(found) - float(expected)) / float(numpy.spacing(abs(real(expected)))))
                else:
                    assert repr(real(found)) == repr(real(expected)), point
    assert worst <= ULPS[name]


@pytest.mark.parametrize("dtype", DTYPES)
def test_powers_keep_their_distance(dtype: str) -> None:
    """`x**y` of positive and negative bases is the C library's, as in NumPy's scalars: no distance at all."""
    graph, real = sg.read("l = x**y"), getattr(numpy, dtype)
    plain = compile_numpy(graph, ("l",), ("x", "y"), dtype).function
    native = compile_graph(graph, ("l",), ("x", "y"), dtype).function
    generator = numpy.random.default_rng(1)
    points = [*generator.normal(size=(400, 2)) * 3, (-2.0, 3.0), (0.0, -1.0), (-0.0, 0.5), (2.0, 1e4), (-8.0, 1 / 3)]
    for base, exponent in points:
        values = (real(base), real(exponent))
        with numpy.errstate(all="ignore"):
            (expected,), (found,) = plain(*values), native(*values)
        if numpy.isfinite(expected):
            assert abs(found - expected) <= ULPS["pow"] * numpy.spacing(abs(expected)), values
        else:
            assert repr(found) == repr(expected), values


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("text", ["max(x, y)", "min(x, y)", "relu(x)", "abs(x)", "sign(x)", "sqrt(x)", "x*y", "x - y"])
def test_zeros_have_the_numpy_backends_sign(text: str, dtype: str) -> None:
    """Of two zeros NumPy's vector code takes the second; `relu(-0.0)` is 0, whose reciprocal is not negative."""
    if text.startswith("m") and platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("NumPy takes another zero on this processor")
    graph, real = sg.read(f"l = {text}"), getattr(numpy, dtype)
    plain = compile_numpy(graph, ("l",), graph.leaves, dtype).function
    native = compile_graph(graph, ("l",), graph.leaves, dtype).function
    for x, y in itertools.product((0.0, -0.0, 1.0, math.nan), repeat=2):
        point = [real(x), real(y)][: len(graph.leaves)]
        assert repr(native(*point)) == repr(plain(*point)), point


def test_values_are_counted() -> None:
    """One value too few or too many is an error, as it is of a function of Python."""
    graph = sg.read(SEED)
    function = compile_graph(graph, ("l",), graph.leaves, "float64").function
    for values in ((1.0, 2.0), (1.0, 2.0, 3.0, 4.0)):
        with pytest.raises(TypeError, match="takes 3 values and got"):
            function(*values)


def test_every_function_states_its_distance() -> None:
    """No function of the table has an unstated bound."""
    assert {row.name for row in BY_NAME.values() if row.numpy} <= ULPS.keys()


# two roundings, and none other


@pytest.mark.parametrize("dtype", DTYPES)
def test_products_and_sums_round_twice(dtype: str) -> None:
    """`a*b + c` is never fused, though the processor could: at this point the fused result is not 0."""
    a = 1 + (2.0**-12 if dtype == "float32" else 2.0**-27)
    c = -float(getattr(numpy, dtype)(a) * getattr(numpy, dtype)(a))
    derivation = sg.derive(sg.read("l = a*b + c"))
    assert sg.compile(derivation, "jit", dtype)({"a": a, "b": a, "c": c}).value == 0
    relaxed = sg.compile(derivation, "jit", dtype, fastmath=True)
    assert relaxed({"a": a, "b": a, "c": c}).value == pytest.approx(0, abs=1e-6)
    assert "fmul fast" in relaxed.ir
    assert "fast" not in sg.compile(derivation, "jit", dtype).ir


def test_a_fused_addition_would_be_seen() -> None:
    """The test above notices a fused multiply-add, where the processor has one."""
    allowed = (
        "define double @f(double %a, double %c) {\n %m = fmul contract double %a, %a\n"
        " %s = fadd contract double %m, %c\n ret double %s\n}"
    )
    if "fma" not in engine.assembly(allowed):
        pytest.skip("this processor has no fused multiply-add")
    function = engine.load(allowed, ("f",)).function("f", *[ctypes.c_double] * 3)
    a = 1 + 2.0**-27
    assert function(a, -(a * a)) != 0


def test_a_planted_fault_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """One wrong instruction, a product that takes its first factor twice, fails the comparison of bits."""
    right = Emitter.binary

    def wrong(self: Emitter, operation: str, left: Any, other: Any, flags: str = "") -> Any:
        return right(self, operation, left, left if operation == "fmul" else other, flags)

    monkeypatch.setattr(Emitter, "binary", wrong)
    with pytest.raises(AssertionError):
        test_arithmetic_has_the_numpy_backends_bits(CASE["seed"], "float64")


def test_operations_are_in_order() -> None:
    """Sums from left to right, quotients divided, a number of Python rounded once where it meets a value."""
    x, y, z = sympy.symbols("x y z")
    emitter = Emitter("float32")
    expression = sympy.Add(
        sympy.Mul(sympy.Float(0.1), x, sympy.Pow(y, -1, evaluate=False), evaluate=False),
        sympy.Mul(-1, z, evaluate=False),
        sympy.Integer(2),
        evaluate=False,
    )
    emitter.value(expression, {x: "%x", y: "%y", z: "%z"})
    tenth = emitter.literal(0.1)
    assert emitter.lines == [
        f"%t1 = fmul float {tenth}, %x",
        "%t2 = fdiv float %t1, %y",
        "%t3 = fsub float %t2, %z",
        f"%t4 = fadd float %t3, {emitter.literal(2)}",
    ]
    assert tenth != Emitter("float64").literal(0.1)


def _long(rounds: int) -> str:
    """A chain with comparisons, roots and a function of SciPy's on its way."""
    steps = ["x0 = w"]
    for i in range(rounds):
        more = f" + 0.001*digamma(2 + x{i}**2)" if i % 50 == 49 else ""
        steps.append(f"x{i + 1} = r*x{i}*(1 - x{i}) + 0.01*max(x{i}, 0.25) + sqrt(x{i}**2 + 1)/9{more}")
    return "; ".join([*steps, f"l = (x{rounds} - y)**2"])


@pytest.mark.parametrize("dtype", DTYPES)
def test_long_programs_are_cut_into_parts(dtype: str) -> None:
    """Thousands of operations are compiled part by part; the bits are those of the whole."""
    derivation = sg.derive(sg.read(_long(100)), ["w", "r"])
    at = {"w": 0.375, "r": 1.5, "y": 0.25}
    native = sg.compile(derivation, "jit", dtype)
    assert "@part4(" in native.ir
    point = native.point(at)
    assert native.value_and_gradient(point) == sg.compile(derivation, "numpy", dtype).value_and_gradient(point)
    data, start = {"y": [0.25, 0.5, 0.75]}, {"w": 0.375, "r": 1.5}
    runs = [
        sg.train(derivation, data, start, lr=1e-3, epochs=3, dtype=dtype, backend=backend, log=log)
        for backend in ("numpy", "jit")
        for log in (None, "steps")
    ]
    assert runs[0] == runs[2]
    assert runs[1] == runs[3]


# what a user sees


def test_source_and_ir_are_there_to_read() -> None:
    """The source is the numpy program, the IR names the user's lines; no other backend has any."""
    derivation = sg.derive(sg.read(SEED), ["w"])
    program = sg.compile(derivation, "jit")
    assert program.source == sg.compile(derivation).source
    assert "; dl_dw" in program.ir
    with pytest.raises(BackendError, match="the numpy backend has no LLVM IR; compile with backend='jit'"):
        _ = sg.compile(derivation).ir
    with pytest.raises(BackendError, match="fastmath is for backend='jit'"):
        sg.compile(derivation, fastmath=True)


def test_second_derivatives() -> None:
    """Hessian and Hessian times vector compile too."""
    derivation = sg.derive(sg.read("l = x**2*y + y**3"), ["x", "y"])
    at = {"x": 1.5, "y": -2.0}
    for name, second in sg.hessian(derivation).items():
        assert sg.compile(second, "jit")(at) == sg.compile(second)(at), name
    product = sg.hvp(derivation)
    along = {**at, "v_x": 1.0, "v_y": 0.5}
    assert sg.compile(product, "jit")(along) == sg.compile(product)(along)


def test_without_llvmlite() -> None:
    """Without the extra the error says what to install, in Python and on the command line."""
    code = (
        "import sys; sys.modules['llvmlite'] = None\n"
        f"import symgrad as sg; d = sg.derive(sg.read({SEED!r}), ['w'])\n"
        "try: sg.compile(d, 'jit')\n"
        "except sg.errors.BackendError as error: print(error)\n"
        "from symgrad.cli import run\n"
        f"run(['train', {SEED!r}, '--wrt', 'w', '--data', 'x=1', '--data', 'y=2', '--init', 'w=1', '--backend', 'jit'])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install symgrad[jit]" in result.stdout, result.stderr
    assert "pip install symgrad[jit]" in result.stderr
    assert "Traceback" not in result.stderr


def test_compiler_is_loaded_on_request() -> None:
    """Neither `import symgrad` nor the numpy backend nor a short run loads llvmlite; the jit backend does."""
    program = (
        "import sys, symgrad as sg\n"
        f"d = sg.derive(sg.read({SEED!r}), ['w'])\n"
        "sg.compile(d)({'x': 1, 'y': 2, 'w': 3}); sg.train(d, {'x': [1.0], 'y': [2.0]}, {'w': 1.0})\n"
        "print('llvmlite' in sys.modules); sg.compile(d, 'jit'); print('llvmlite' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False", "True"]


def test_threads_may_share_a_program() -> None:
    """Several threads compile and call at once; every result is right."""
    derivation = sg.derive(sg.read(SEED), ["w"])
    program = sg.compile(derivation, "jit")
    wrong: list[float] = []

    def work(start: int) -> None:
        for n in range(start, start + 300):
            own = sg.compile(derivation, "jit") if n % 100 == 0 else program
            if own.value_and_gradient({"x": 1.0, "y": 0.0, "w": float(n)})[0] != n * n:
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(1000 * k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
