"""The compiled backend: its bits, its cache, and what it does where it cannot work."""

from __future__ import annotations

import ctypes
import json
import math
import os
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path
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

from symgrad.backends.jit import cache as disk
from symgrad.backends.jit import compile_graph, engine
from symgrad.backends.jit.functions import ULPS
from symgrad.backends.jit.instructions import Emitter

SEED = "y_pred = x*w; l = (y_pred - y)**2"
TWICE = "define double @f(double %x) {\n  %y = fadd double %x, %x\n  ret double %y\n}\n"


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


# compiled code on disk


def _fresh_process(folder: Path) -> dict[str, Any]:
    """A new process that compiles the seed: how often the optimiser ran, and what the program says."""
    code = (
        "import json, symgrad as sg\nfrom symgrad.backends.jit import engine\n"
        "runs = []; right = engine.compiled\n"
        "engine.compiled = lambda *a: (runs.append(1), right(*a))[1]\n"
        f"p = sg.compile(sg.derive(sg.read({SEED!r}), ['w']), 'jit')\n"
        "print(json.dumps({'runs': len(runs), 'value': p({'x': 3, 'y': 6, 'w': 1}).gradient['w']}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "SYMGRAD_CACHE_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(result.stdout)
    return found


class TestCache:
    """Compiled once, and never wrong for it."""

    def test_a_second_process_compiles_nothing(self, tmp_path: Path) -> None:
        """The first process runs LLVM's optimiser, the second does not."""
        first, second = _fresh_process(tmp_path), _fresh_process(tmp_path)
        assert first["runs"] > 0
        assert second == {"runs": 0, "value": -18.0}
        assert first["value"] == -18.0

    @pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "folder"])
    def test_damaged_files_are_not_used(self, tmp_path: Path, damage: str) -> None:
        """A damaged file is compiled anew."""
        _fresh_process(tmp_path)
        for file in tmp_path.glob("*.o"):
            whole = file.read_bytes()
            file.unlink()
            match damage:
                case "cut":
                    file.write_bytes(whole[: len(whole) // 2])
                case "flipped":
                    file.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
                case "empty":
                    file.write_bytes(b"")
                case "folder":
                    file.mkdir()
        again = _fresh_process(tmp_path)
        assert again["runs"] > 0
        assert again["value"] == -18.0

    def test_a_file_is_not_a_folder(self, tmp_path: Path) -> None:
        """Where no cache can be made, nothing is kept and everything works."""
        place = tmp_path / "file"
        place.write_text("")
        assert _fresh_process(place)["runs"] == _fresh_process(place)["runs"] > 0

    @pytest.mark.skipif(not hasattr(os, "getuid"), reason="permissions are POSIX's")
    def test_code_that_others_may_write_is_not_run(self, tmp_path: Path) -> None:
        """A folder that others may write to is not read."""
        _fresh_process(tmp_path)
        assert _fresh_process(tmp_path)["runs"] == 0
        tmp_path.chmod(0o777)
        assert _fresh_process(tmp_path)["runs"] > 0

    def test_size_is_bounded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Beyond the limit the files unused for longest go."""
        monkeypatch.setenv("SYMGRAD_CACHE_DIR", str(tmp_path / "own"))
        monkeypatch.setattr(disk, "LIMIT", 4000)
        for number in range(10):
            disk.write(f"{number}", bytes(500))
            os.utime(tmp_path / "own" / f"{number}.o", (number, number))
            if number == 5:
                assert disk.read("1") == bytes(500)  # used: no longer the oldest
        left = sorted(file.name for file in (tmp_path / "own").iterdir())
        assert sum(file.stat().st_size for file in (tmp_path / "own").iterdir()) <= 4000
        assert "9.o" in left
        assert "2.o" not in left

    def test_key_tells_content_apart(self) -> None:
        """Another level of optimisation or another text is another entry; the same one is the same module."""
        one = engine.load(TWICE, ("f",))
        assert engine.load(TWICE, ("f",)) is one
        assert engine.load(TWICE, ("f",), level=0) is not one
        half = engine.load(TWICE.replace("fadd", "fsub"), ("f",))
        assert half.function("f", *[ctypes.c_double] * 2)(3.0) == 0.0
        assert one.function("f", *[ctypes.c_double] * 2)(3.0) == 6.0

    @pytest.mark.parametrize(
        ("platform", "variables", "expected"),
        [
            ("linux", {"XDG_CACHE_HOME": "/somewhere"}, "/somewhere/symgrad"),
            ("linux", {"XDG_CACHE_HOME": "relative"}, "/home/u/.cache/symgrad"),
            ("linux", {}, "/home/u/.cache/symgrad"),
            ("darwin", {}, "/home/u/Library/Caches/symgrad"),
            ("linux", {"SYMGRAD_CACHE_DIR": "/mine"}, "/mine"),
        ],
    )
    def test_folder(
        self, monkeypatch: pytest.MonkeyPatch, platform: str, variables: dict[str, str], expected: str
    ) -> None:
        """The platform's own folder for caches, unless a variable names another."""
        monkeypatch.setattr(disk.sys, "platform", platform)
        monkeypatch.setattr(Path, "home", lambda: Path("/home/u"))
        for name in ("SYMGRAD_CACHE_DIR", "XDG_CACHE_HOME"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert disk.folder() == Path(expected)
