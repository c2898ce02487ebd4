"""Derivations with tensors, printed: every line is true, nothing is captured, and telling stays linear."""

from __future__ import annotations

import re
import shutil
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from naive import _Naive, evaluate
from tensor_models import BY_NAME, MODELS, Model, derived, point_of
from test_latex_compiles import errors_of
from unicode_entries import from_unicode

import symgrad as sg
from symgrad.core.expression import add, mul, subtract
from symgrad.core.graph import Graph, Node
from symgrad.core.indices import SumOver, entry, index_of, matrix_function
from symgrad.readers.text import read_line
from symgrad.renderers.formula import TextPrinter, UnicodePrinter
from symgrad.renderers.latex_formula import LatexPrinter

NETWORK = BY_NAME["mlp_one_sample"].text

MORE = (
    Model("labels", "Z: (n, k)\nt: (n,)\nP = softmax(Z)\nL = -sum(log(select(P, t)))/n", {"t": "labels:k"}),
    Model("log_softmax", "Z: (n, k)\nt: (n,)\nl = log_softmax(Z)\nL = -sum(l[b,t[b]], b)", {"t": "labels:k"}),
    Model("one_softmax", "z: (k,)\nq: (k,)\np = softmax(z)\nL = sum(p*q)"),
    Model("centres", "X: (n, d)\nC: (k, d)\nt: (n,)\nR[i,j] = X[i,j] - C[t[i],j]\nL = sum(R**2)", {"t": "labels:k"}),
    Model("tied", "W: (d, d)\nx: (d,)\nh = tanh(W @ x)\ng = tanh(W @ h)\nL = sum((g - h)**2)"),
    Model("pooled", "X: (n, d)\nm = max(X, axis=0)\nL = sum(m**2)"),
    Model("jacobian", "W: (h, d)\nx: (d,)\nb: (h,)\ny = tanh(W @ x + b)"),
    Model("softmax_jacobian", "x: (d,)\ns = softmax(x)"),
    Model("inserted_operand", "A: (n, n)\nX: (n, n)\nL = logdet(X + A)", {"A": "spd", "X": "spd"}),
    Model("mixture", "x: (n,)\nm: (k,)\ns[i,c] = -(x[i] - m[c])**2/2\nl[i] = logsumexp(s[i,c], c)\nL = -sum(l)"),
    Model("capturing", "i: (n,)\nW: (m, n)\nj: (m,)\nk = W @ i + j\nL = sum(k**2)"),
    Model("square_jacobian", "A: (m, n)\nB: (n, m)\ny = A @ B"),
    Model("softmax_of_a_diagonal", "X: (n, n)\nu = diag(log_softmax(X))\nL = sum(u**2) + trace(softmax(X))"),
    Model("variance_across", "A: (n, n)\nv = mean((A - mean(A, axis=1))**2, axis=1)\nL = sum(v**2)"),
    Model("two_means", "X: (n, n)\nZ = mean(X)*sum(X, axis=1)\nL = sum(Z**2)"),
    Model("log_softmax_in_a_sum", "M: (n, k)\nc: (k,)\nY = log_softmax(M) - softplus(M) + c\nL = sum(Y**2)"),
    Model("rows", "a: (n,)\nB: (n, m)\nM = outer(a, a) @ B\nr = a @ B\nL = sum(M**2) + sum(cos(r))"),
    Model("sizes_like_letters", "x: (j,)\nW: (i, j)\nz = W @ x\nL = sum(z**2)/i"),
)  # fmt: skip

ALL = (*MODELS, *MORE)

FUNCTIONS = {
    "exp",
    "log",
    "sin",
    "cos",
    "tanh",
    "sigmoid",
    "softplus",
    "relu",
    "sqrt",
    "where",
    "max",
    "min",
    "inv",
    "solve",
}


@cache
def derivation_of(model: str) -> sg.Derivation:
    """A model, derived once."""
    if model in BY_NAME:
        return derived(model)
    return sg.derive(sg.read(next(m for m in MORE if m.name == model).text))


@cache
def truth(name: str) -> tuple[dict[str, Any], _Naive]:
    """The value of every node of the gradient's graph at a point, told entry by entry."""
    model = next(m for m in ALL if m.name == name)
    graph = derivation_of(name).gradient
    at = point_of(model, derivation_of(name).primal, seed=4)
    values = evaluate(graph, at)
    leaves = derivation_of(name).primal.leaves
    sized = [pair for leaf in leaves for pair in zip(graph[leaf].shape, np.shape(at[leaf]), strict=True)]
    sizes = {size: length for size, length in sized if isinstance(size, str)}
    return values, _Naive(values, sizes)


_LINE = re.compile(r"^(?:  )?(\w+)(?:\[([\w,]+)\])?\s* = (.+?)(?:\s{3,}.*)?$")
_GIVEN = re.compile(r"^(?:Given   |        )(\w+)(?:\[([\w,]+)\])?\s* = (.+?)(?:\s{3,}.*)?$")


def claims(text: str) -> list[tuple[str, str, str]]:
    """Each equation of a printout in text: the name on the left, its indices, the right-hand side."""
    found = []
    for line in text.splitlines():
        match = _GIVEN.match(line) or _LINE.match(line)
        if match:
            found.append((match[1], match[2] or "", match[3]))
    return found


@pytest.mark.parametrize("tensors", ["auto", "index"])
@pytest.mark.parametrize("detail", ["steps", "answer"])
@pytest.mark.parametrize("model", ALL, ids=lambda model: model.name)
def test_text_is_true(model: Model, detail: Any, tensors: Any) -> None:
    """Every right-hand side reads back and has the value of the node on its left, in shape and in numbers."""
    derivation = derivation_of(model.name)
    told = claims(sg.render(derivation, "text", detail=detail, tensors=tensors))
    assert {derivation.adjoints[name] for name in derivation.wrt} <= {name for name, _, _ in told}
    assert_true(model.name, told)


def assert_true(model: str, told: list[tuple[str, str, str]]) -> None:
    """Each claim reads back to the values of its left-hand side."""
    assert_claims(derivation_of(model).gradient, *truth(model), told)


def assert_claims(graph: Graph, values: dict[str, Any], naive: _Naive, told: list[tuple[str, str, str]]) -> None:
    """The same, of a graph and its values."""
    for name, indices, right in told:
        shape = graph[name].shape
        index = tuple(index_of(i, s) for i, s in zip(indices.split(","), shape, strict=True)) if indices else ()
        body, own = read_line(right, graph, index)
        actual = naive.node(Node("claimed", body, own))
        assert np.shape(actual) == np.shape(values[name]), f"{name} = {right}"
        np.testing.assert_allclose(actual, values[name], rtol=1e-9, atol=1e-10, err_msg=f"{name} = {right}")


@pytest.mark.parametrize(
    ("model", "old", "new"),
    [
        ("mlp_one_sample", "W2.T @ dL_dz2", "W2.T @ (z2 - y)"),
        ("mlp_one_sample", "dL_da*(1 - a**2)", "dL_da*(1 + a**2)"),
        ("gram", "X @ dL_dG.T + X @ dL_dG", "X @ dL_dG.T"),
        ("attention", "axis=1, keepdims=True", "axis=0, keepdims=True"),
        ("centres", "i == t[m]", "j == t[m]"),
    ],
)
def test_a_false_line_is_caught(model: str, old: str, new: str) -> None:
    """A printout with one planted fault does not pass."""
    text = sg.render(derivation_of(model), "text")
    assert old in text
    assert_true(model, claims(text))
    with pytest.raises(AssertionError):
        assert_true(model, claims(text.replace(old, new)))


# Unicode, in index notation


@pytest.mark.parametrize("model", ALL, ids=lambda model: model.name)
def test_unicode_is_true(model: Model) -> None:
    """In index notation Unicode says the same as text: a Σ, a quotient and a power hold together as they should."""
    derivation = derivation_of(model.name)
    d = "d" if "dL/d" in (text := sg.render(derivation, "unicode", tensors="index")) else "∂"
    told = []
    letters: dict[str, str] = {}
    known = {node.name for node in derivation.gradient.nodes} | set(derivation.primal.sizes) | FUNCTIONS
    for line in text[text.index("Backward") :].splitlines()[1:]:
        match = re.match(
            rf"^  (?:(\S+) := )?{d}{derivation.output}(?:\[\w+\])?/{d}(\w+)(?:\[([\w,]+)\])? *= (.+?)(?: {{3,}}.*)?$",
            line,
        )
        if not match or derivation.axes:
            continue
        adjoint = derivation.adjoints[match[2]]
        right = re.sub(rf"{d}{derivation.output}/{d}(\w+)", lambda m: derivation.adjoints[m[1]], match[4])
        for letter, name in letters.items():
            right = re.sub(rf"{letter}(?!\d)", name, right)
        if match[1]:
            letters[match[1]] = adjoint
        told.append((adjoint, match[3] or "", from_unicode(right, known)))
    assert told or derivation.axes
    assert_true(model.name, told)


@pytest.mark.parametrize("model", ALL, ids=lambda model: model.name)
def test_json_reads_back(model: Model, tmp_path: Path) -> None:
    """JSON holds the whole graph, inserted nodes too, and is told the same once it is read back."""
    derivation = derivation_of(model.name)
    file = tmp_path / "model.json"
    file.write_text(sg.render(derivation, "json"), encoding="utf-8")
    again = sg.derive(sg.read_file(file), derivation.wrt)
    assert sg.render(again, "text") == sg.render(derivation, "text")
    assert sg.render(again, "json") == sg.render(derivation, "json")


@pytest.mark.parametrize("model", ALL, ids=lambda model: model.name)
def test_nothing_is_captured(model: Model) -> None:
    """No index is printed under the name of a node or a size, and none is bound within itself."""
    derivation = derivation_of(model.name)
    names = {node.name for node in derivation.primal.nodes} | set(derivation.primal.sizes)
    for name, indices, right in claims(sg.render(derivation, "text", tensors="index")):
        if name in derivation.adjoints.values():
            assert not names & set(filter(None, indices.split(",")))
            assert_scoped(right, frozenset(filter(None, indices.split(","))), names)


def assert_scoped(text: str, bound: frozenset[str], names: set[str]) -> None:
    """Each reduction within `text` binds letters that mean nothing else where it stands."""
    for match in re.finditer(r"\b(?:sum|prod|max|min|logsumexp)\(", text):
        inside, letters = arguments(text, match.end())
        if letters:
            assert not set(letters) & (names | bound), text
            assert_scoped(inside, bound | set(letters), names)


def arguments(text: str, start: int) -> tuple[str, list[str]]:
    """The first argument of a call, and the letters after it; no letters if it is a call of another kind."""
    depth, parts, begin = 0, [], start
    for position in range(start, len(text)):
        depth += (text[position] in "([") - (text[position] in ")]")
        if depth < 0 or (text[position] == "," and not depth):
            parts.append(text[begin:position].strip())
            begin = position + 1
        if depth < 0:
            break
    letters = parts[1:] if all(re.fullmatch(r"[a-z]\d*", part) for part in parts[1:]) else []
    return parts[0], letters


# formulas

ROW, J, K = index_of("i", "h"), index_of("j", "d"), index_of("k", "d")
W, X, B = entry("W", (ROW, J)), entry("x", (J,)), entry("b", (ROW,))


@pytest.mark.parametrize(
    ("expression", "text", "unicode", "latex"),
    [
        (SumOver(mul(W, X), J), "sum(W[i,j]*x[j], j)", "Σ_j W[i,j]·x[j]", r"\sum_{j} W_{i, j} \, x_{j}"),
        (add(SumOver(X, J), B), "sum(x[j], j) + b[i]", "(Σ_j x[j]) + b[i]", r"\left(\sum_{j} x_{j}\right) + b_{i}"),
        (subtract(B, SumOver(X, J)), "b[i] - sum(x[j], j)", "b[i] − Σ_j x[j]", r"b_{i} - \sum_{j} x_{j}"),
        (mul(B, SumOver(X, J)), "b[i]*sum(x[j], j)", "b[i]·(Σ_j x[j])", r"b_{i} \left(\sum_{j} x_{j}\right)"),
        (SumOver(add(X, B), J), "sum(x[j] + b[i], j)", "Σ_j (x[j] + b[i])", r"\sum_{j} \left(x_{j} + b_{i}\right)"),
        (matrix_function("inv", ("A",), (J, K)), "inv(A)[j,k]", "inv(A)[j,k]", r"\left(A^{-1}\right)_{j, k}"),
    ],
)  # fmt: skip
def test_index_notation(expression: Any, text: str, unicode: str, latex: str) -> None:
    """A Σ stands in parentheses wherever something multiplies or follows it."""
    assert TextPrinter().print(expression) == text
    assert UnicodePrinter().print(expression) == unicode
    assert LatexPrinter().print(expression) == latex


# cost, and LaTeX


def transformer(layers: int) -> str:
    """Self-attention and a small network, with residuals and layer norm, several times over."""
    lines = ["X0: (n, d)"]
    for k in range(layers):
        lines += [f"W{w}{k}: (d, d)" for w in "QKV"]
        lines += [f"Wa{k}: (d, f)", f"Wb{k}: (f, d)"]
        lines += [f"{w}{k} = X{k} @ W{w}{k}" for w in "QKV"]
        lines += [
            f"A{k} = softmax(Q{k} @ K{k}.T/sqrt(d))",
            f"O{k} = X{k} + A{k} @ V{k}",
            f"m{k} = mean(O{k}, axis=1, keepdims=True)",
            f"v{k} = var(O{k}, axis=1, keepdims=True)",
            f"N{k} = (O{k} - m{k})/sqrt(v{k} + 1e-5)",
            f"X{k + 1} = N{k} + relu(N{k} @ Wa{k}) @ Wb{k}",
        ]
    return "\n".join([*lines, f"L = sum(X{layers}**2)"])


def test_telling_is_linear() -> None:
    """Twelve layers of attention are told in a second of processor time, and twice as many in about twice the time."""
    seconds = {}
    for layers in (3, 12, 24):
        derivation = sg.derive(sg.read(transformer(layers)))
        start = time.process_time()
        text = sg.render(derivation, "unicode")
        seconds[layers] = time.process_time() - start
        assert max(map(len, text.splitlines())) < 250
    assert seconds[12] < 1
    assert seconds[24] < 4 * seconds[12] + 0.2


@pytest.mark.parametrize("model", ALL, ids=lambda model: model.name)
def test_latex_is_well_formed(model: Model) -> None:
    """Brackets and environments close, and no subscript or superscript follows another of its kind."""
    for style in ("auto", "index"):
        latex = sg.render(derivation_of(model.name), "latex", tensors=style)
        assert latex.count("{") == latex.count("}")
        assert latex.count(r"\left") == latex.count(r"\right")
        assert latex.count(r"\begin{") == latex.count(r"\end{")
        flat = latex
        while (inner := re.sub(r"(?<!\\frac)\{([^{}]*)\}", r"⟨\1⟩", flat)) != flat:
            flat = inner
        assert not re.search(r"_⟨[^⟨⟩]*⟩_|\^⟨[^⟨⟩]*⟩\^", flat), flat


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex (Debian: texlive-latex-recommended)")
def test_latex_compiles(tmp_path: Path) -> None:
    """The LaTeX of every model compiles with amsmath, in matrix and in index notation."""
    pages = [
        sg.render(derivation_of(model.name), "latex", tensors=style) for model in ALL for style in ("auto", "index")
    ]
    assert errors_of("\n\n".join(pages), tmp_path) == []
