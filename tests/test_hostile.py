"""Hostile input: nothing a user writes is executed, and whatever is not mathematics is refused where it stands."""

from __future__ import annotations

import ast
import builtins
import json
import keyword
import re
import time
import types
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
import sympy
import torch

import symgrad as sg
from symgrad.backends.lower import lower
from symgrad.backends.module import Lines
from symgrad.backends.numpy_code import NumpyPrinter
from symgrad.backends.torch_code import TorchPrinter
from symgrad.core.expression import occurrences, symbol
from symgrad.core.graph import Graph, Node
from symgrad.errors import DataError, GraphError, ReadError, SymgradWarning
from symgrad.readers.json import read_json
from symgrad.readers.text import read_expression

INPUTS: tuple[dict[str, str], ...] = tuple(
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "hostile_inputs.jsonl").read_text(encoding="utf-8").splitlines()
)

READS_AS_A_POWER = {"x²"}
"""The file would refuse a superscript; symgrad's grammar reads `x²` as `x**2` everywhere."""

IS_A_DEFINITION = {"L = (p - y)**2"}
"""The file would refuse an assignment as an expression; `read` takes definitions, `read_expression` refuses them."""

SECONDS = 2.0


def wanted(text: str, expect: str, reader: Callable[..., object]) -> str:
    """What the grammar says of a text: the file's verdict, but for the exceptions above."""
    if text in READS_AS_A_POWER or (text in IS_A_DEFINITION and reader is sg.read):
        return "accept-as-math"
    return expect


def label(entry: dict[str, str]) -> str:
    """A short name for a test."""
    return re.sub(r"\W+", "_", f"{entry['kind']}-{entry['input'][:20]}", flags=re.ASCII)


@pytest.mark.parametrize("reader", [read_expression, sg.read], ids=["read_expression", "read"])
@pytest.mark.parametrize("entry", INPUTS, ids=label)
def test_hostile_input(
    entry: dict[str, str], reader: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each text is refused at a place inside it, or read as mathematics that derives and evaluates; quickly."""
    monkeypatch.chdir(tmp_path)
    text, began = entry["input"], time.perf_counter()
    expect = wanted(text, entry["expect"], reader)
    assert expect in ("reject", "accept-as-math")
    if expect == "reject":
        with pytest.raises(ReadError) as caught:
            reader(text)
        assert 0 <= caught.value.position <= len(text)
        assert caught.value.message
        assert caught.value.message.partition(".")[0] in str(caught.value)
    elif reader is sg.read:
        graph = sg.read(text)
        assert isinstance(graph, Graph)
        evaluate(graph)
    else:
        assert isinstance(read_expression(text), sympy.Expr)
    assert time.perf_counter() - began < SECONDS
    assert not list(tmp_path.iterdir()), "reading a text made a file"


def evaluate(graph: Graph) -> None:
    """Derive a graph and evaluate it; a constant has nothing to derive by, and says so."""
    if not graph.leaves:
        with pytest.raises(GraphError, match="is a constant"):
            sg.derive(graph)
        return
    found = sg.compile(sg.derive(graph))({leaf: 0.5 + n / 8 for n, leaf in enumerate(graph.leaves)})
    assert isinstance(found.value, float)
    assert set(found.gradient) == set(graph.leaves)


def test_exceptions_are_in_the_file() -> None:
    """Each deliberate exception is a text the file would refuse, so that none outlives its reason."""
    refused = {entry["input"] for entry in INPUTS if entry["expect"] == "reject"}
    assert refused >= READS_AS_A_POWER | IS_A_DEFINITION


@pytest.mark.parametrize(
    "name", ["S", "N", "E", "I", "Q", "O", "gamma", "beta", "zeta", "lambda", "Integer", "nan", "inf", "e"]
)
def test_names_sympy_would_take_stay_plain(name: str) -> None:
    """A name with a meaning in SymPy is an ordinary leaf: its derivative by itself is 1."""
    graph = sg.read(f"l = 3*{name} + 2")
    assert graph.leaves == (name,)
    body = graph["l"].body
    assert body is not None
    assert list(occurrences(body)) == [symbol(name)]
    found = sg.compile(sg.derive(graph))({name: 0.5})
    assert (found.value, found.gradient) == (3.5, {name: 3.0})


@pytest.mark.parametrize("name", ["__import__", "__x", "__", "__builtins__"])
def test_names_in_double_underscores_are_refused(name: str) -> None:
    """A name that begins with two underscores is refused in every place a name can stand."""
    for text in (name, f"{name} + x", f"{name} = x", f"{name}: ()", f"{name}(x)", f"l = x\n{name} = l"):
        with pytest.raises(ReadError) as caught:
            sg.read(text)
        assert text[caught.value.position :].startswith(name)


@pytest.mark.parametrize(
    "name", ["", "a b", "1x", "x.y", "x;y", "x)", "a\nb", "x\\y", "__import__", "print('')", "𝑥", "ﬁ", "π"]
)
def test_a_node_needs_an_identifier(name: str) -> None:
    """A node cannot be built, not even by hand, under a name that is no plain identifier."""
    with pytest.raises(GraphError, match="cannot name a node"):
        Node(name)
    with pytest.raises(GraphError, match="cannot name a node"):
        Graph((Node("x"), Node(name, symbol("x"))), (name,))


USER_NAMES = ("numpy", "real", "float", "scipy", "gradient", "v0", "v1", "v2", "lr", "rows", "print", "lambda", "β")


def identifiers(code: types.CodeType) -> set[str]:
    """Every identifier of a code object: globals and attributes, locals, free variables."""
    return {*code.co_names, *code.co_varnames, *code.co_freevars, *code.co_cellvars}


def test_user_names_never_reach_executed_code() -> None:
    """Generated code knows generated names only, so that a user's name can neither shadow nor run anything."""
    secret = [f"secret_{n}" for n in range(6)]
    graph = sg.read(
        f"{secret[3]} = tanh({secret[0]}*{secret[1]}) + erf({secret[2]})\n"
        f"{secret[4]} = softplus({secret[3]}) - sqrt(2*pi)\n"
        f"{secret[5]} = {secret[4]}**2*where({secret[3]} > 0, 1, 2)"
    )
    program = sg.compile(sg.derive(graph))
    for compiled in (program._gradient, program._everything):
        code = compiled.function.__code__
        assert all(re.fullmatch("v[0-9]+", name) for name in code.co_varnames), code.co_varnames
        assert identifiers(code) - set(code.co_varnames) <= {
            *("numpy", "scipy", "special", "real", "tanh", "erf", "exp", "logaddexp", "sqrt", "pi"),
            *(name for name in code.co_names if re.fullmatch("v[0-9]+", name)),
        }
        assert not any(isinstance(constant, str) and "secret" in constant for constant in code.co_consts)
        module = compiled.function.__globals__
        assert not any("secret" in name for name in module)
    assert "(secret_0, secret_1, secret_2)" in program.source, "the source that is shown has the user's names"
    assert program._gradient.lines.function() != program.source


OF_THE_TEXT = (
    "numpy",
    "scipy",
    "torch",
    "real",
    "gradient",
    "device",
    "part",
    "rows",
    "start",
    "float",
    "X_rows",
    "v1",
)
UNSAFE = (
    *("__import__", "__debug__", "_", "exec", "eval", "lambda", "None", "True", "match", "type"),
    *(
        "ехec",
        "𝐱",
        "ﬁ",
        "β",
        "x\nimport os",
        "x\rimport os",
        "x#",
        "x y",
        "x=1",
        "1x",
        "a.b",
        "f()",
        "\N{LINE SEPARATOR}",
    ),
)


@pytest.mark.parametrize("backend", ["numpy", "torch"])
@pytest.mark.parametrize("name", [*OF_THE_TEXT, *UNSAFE])
def test_shown_source_has_safe_names_only(name: str, backend: str) -> None:
    """Whatever a lowered program calls its leaf and its result, the shown text does what the executed one does.

    The readers refuse most of these names; here the program is given them without asking a reader.
    """
    graph = sg.derive(
        sg.read("X: (n, d); w: (d,); z = tanh(X @ w); L = sum(z**2)*sqrt(2*pi)/n", output="L"), "w"
    ).gradient
    program = lower(graph, ("L", "dL_dw"), graph.leaves, lambda row: bool(row.numpy), blocks=backend == "numpy")
    renamed = replace(
        program,
        inputs=tuple((name if leaf == "w" else leaf, stand_in) for leaf, stand_in in program.inputs),
        statements=tuple(replace(s, label=name if s.label == "L" else s.label) for s in program.statements),
    )
    lines = Lines(renamed, "float64", {"numpy": NumpyPrinter, "torch": TorchPrinter}[backend](arrays=True))
    shown, executed = ast.parse(lines.shown()), ast.parse(lines.function())
    assert [type(line) for line in ast.walk(shown)] == [type(line) for line in ast.walk(executed)], "names alone differ"
    assert all(re.fullmatch("[A-Za-z][A-Za-z0-9_]*", found) for found in names_in(shown))
    assert not given_in(shown) & {*dir(builtins), *keyword.kwlist, "numpy", "scipy", "torch", "gradient"}
    assert {found for found in given_in(executed) if not re.fullmatch("v[0-9]+(_rows)?", found)} <= {
        "part",
        "rows",
        "start",
    }
    at = [{"numpy": numpy.asarray, "torch": torch.as_tensor}[backend](v) for v in ([[0.1, 0.2]] * 3, [0.3, -0.4])]
    told, right = (run_text(text)(*at) for text in (lines.shown(), lines.function()))
    assert [v.tolist() for v in told] == [v.tolist() for v in right]


def names_in(tree: ast.AST) -> set[str]:
    """Every bare name of a program's text."""
    return {part.id for part in ast.walk(tree) if isinstance(part, ast.Name)} | given_in(tree)


def given_in(tree: ast.AST) -> set[str]:
    """The names that a function's text gives to things."""
    (function,) = [part for part in ast.walk(tree) if isinstance(part, ast.FunctionDef)]
    stored = {p.id for p in ast.walk(function) if isinstance(p, ast.Name) and isinstance(p.ctx, ast.Store)}
    return stored | {p.arg for p in ast.walk(function) if isinstance(p, ast.arg)}


def run_text(text: str) -> Callable[..., tuple[Any, ...]]:
    """The function of a text, as somebody has it who takes the text away."""
    namespace: dict[str, Any] = {}
    exec(compile(text, "<taken away>", "exec"), namespace)
    function: Callable[..., tuple[Any, ...]] = namespace["gradient"]
    return function


@pytest.mark.parametrize("name", USER_NAMES)
def test_names_of_the_program_itself_are_free(name: str) -> None:
    """A leaf or a node may be called as the generated code calls its own things, and trains too."""
    leaf = sg.compile(sg.derive(sg.read(f"l = exp({name})*y + {name}**2")))({name: 0.0, "y": 3.0})
    assert (leaf.value, leaf.gradient) == (3.0, {name: 3.0, "y": 1.0})
    node = sg.compile(sg.derive(sg.read(f"{name} = x*w\nl = tanh({name}) + {name}**2")))({"x": 0.0, "w": 2.0})
    assert (node.value, node.gradient) == (0.0, {"x": 2.0, "w": 0.0})
    run = sg.train(sg.derive(sg.read(f"l = ({name} - y)**2"), [name]), {"y": [1.0]}, {name: 0.0}, lr=0.25, epochs=1)
    assert run.parameters == {name: 0.5}


def test_hostile_names_in_a_point_and_in_json() -> None:
    """A name that comes in by another door, a point or a JSON document, is checked like one in the text."""
    derivation = sg.derive(sg.read("l = x**2"))
    with pytest.raises(DataError, match="not in the graph"):
        sg.compile(derivation)({"x": 1.0, "__import__('os')": 1.0})
    document = json.loads(sg.render(derivation, "json"))
    for body in ("x); import os; (x", "__import__('os')", "x # comment", "x\ny = 2"):
        document["nodes"][-1]["body"] = body
        with pytest.raises(ReadError):
            read_json_text(json.dumps(document))
    document["nodes"][-1] |= {"name": "l = 2; m", "body": "x"}
    with pytest.raises(ReadError, match="is not a name"):
        read_json_text(json.dumps(document))


def read_json_text(text: str) -> Graph:
    """The JSON reader, with the warning about unused definitions put aside."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SymgradWarning)
        return read_json(text)
