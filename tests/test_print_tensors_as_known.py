"""Derivations with tensors, printed: textbook gradients, their reasons and the small network look as they should."""

from __future__ import annotations

import re

import numpy as np
import pytest
from test_print_tensors import ALL, NETWORK, derivation_of

import symgrad as sg
from symgrad.calculus.tensor_forms import TensorForms
from symgrad.errors import RenderError
from symgrad.renderers.latex_formula import latex_name
from symgrad.renderers.mathml_pieces import mathml_name

# the printout itself

UNICODE = """\
Given   z1 = W1 @ x + b1          (h,)        x (d,)   y (k,)
        a  = tanh(z1)             (h,)        W1 (h,d)   b1 (h,)   W2 (k,h)   b2 (k,)
        z2 = W2 @ a + b2          (k,)
        L  = sum((z2 - y)**2)     scalar
Layout  a gradient has the shape of its variable (as torch's .grad)
Backward
  δ2 := ∂L/∂z2 = 2(z2 − y)                (k,)
  ∂L/∂W2 = δ2 aᵀ                          (k,h)   ∂z2[i]/∂W2[i,j] = a[j]
  ∂L/∂b2 = δ2                             (k,)
  ∂L/∂a  = W2ᵀ δ2                         (h,)    the sum over i of δ2[i]·W2[i,j]: transposed
  δ1 := ∂L/∂z1 = ∂L/∂a ⊙ (1 − a ⊙ a)      (h,)    tanh acts entry by entry, so ⊙
  ∂L/∂W1 = δ1 xᵀ                          (h,d)
  ∂L/∂b1 = δ1                             (h,)"""

TEXT = """\
Backward
  dL_dz2 = 2*(z2 - y)            (k,)
  dL_dW2 = outer(dL_dz2, a)      (k,h)   dz2[i]/dW2[i,j] = a[j]
  dL_db2 = dL_dz2                (k,)
  dL_da  = W2.T @ dL_dz2         (h,)    the sum over i of dL_dz2[i]*W2[i,j]: transposed
  dL_dz1 = dL_da*(1 - a**2)      (h,)    tanh acts entry by entry, so *
  dL_dW1 = outer(dL_dz1, x)      (h,d)
  dL_db1 = dL_dz1                (h,)"""

INDICES = """\
Backward
  δ2 := ∂L/∂z2[i] = 2(z2[i] − y[i])              (k,)
  ∂L/∂W2[i,j] = δ2[i]·a[j]                       (k,h)
  ∂L/∂b2[i]   = δ2[i]                            (k,)
  ∂L/∂a[j]    = Σ_i δ2[i]·W2[i,j]                (h,)
  δ1 := ∂L/∂z1[i] = ∂L/∂a[i] · (1 − a[i]²)      (h,)
  ∂L/∂W1[i,j] = δ1[i]·x[j]                       (h,d)
  ∂L/∂b1[i]   = δ1[i]                            (h,)"""


def network() -> sg.Derivation:
    """The small network of one sample, by its parameters."""
    return sg.derive(sg.read(NETWORK), ["W1", "b1", "W2", "b2"])


def backward(text: str) -> list[str]:
    """The lines from Backward on, without the spaces that align them."""
    return [re.sub(r" {2,}", "  ", line) for line in text[text.index("Backward") :].splitlines()]


def test_the_small_network() -> None:
    """The network in matrix notation, with the reason for every transpose and every ⊙."""
    assert sg.render(network(), "unicode") == UNICODE
    assert backward(sg.render(network(), "text")) == backward(TEXT)
    assert backward(sg.render(network(), "unicode", tensors="index")) == backward(INDICES)


def test_latex_of_the_small_network() -> None:
    """δ, transposes and ⊙ in LaTeX."""
    latex = sg.render(network(), "latex")
    assert r"\delta_{2} := \frac{\partial L}{\partial z_{2}} &= 2 \left(z_{2} - y\right)" in latex
    assert r"\frac{\partial L}{\partial a} &= W_{2}^{\top} \delta_{2}" in latex
    assert r"\frac{\partial L}{\partial a} \odot \left(1 - a \odot a\right)" in latex
    assert r"\frac{\partial (z_{2})_{i}}{\partial (W_{2})_{i, j}} = a_{j}" in latex


def test_entries_of_names_with_a_subscript() -> None:
    """Entry 0 of z2 cannot be read as entry 20 of z, nor as z_20; a name without a subscript needs no parentheses."""
    text = "x: (d,)\nW2: (d, d)\nw_1: (d,)\nz2 = W2 @ x + w_1\nL = sum(z2**2) + z2[0]*w_1[0]"
    latex, html = (sg.render(sg.derive(sg.read(text)), format, tensors="index") for format in ("latex", "html"))
    for entry in (r"(z_{2})_{0}", r"(W_{2})_{i, j}", r"(w_{1})_{0}", r"\, x_{j}", r"L}{\mathrm{d}(W_{2})_{i, j}}"):
        assert entry in latex
    assert not re.search(r"_\{\w+\}\}?(\{\})?_", latex)
    opened, closed = '<mo stretchy="false">(</mo>', '<mo stretchy="false">)</mo>'
    held = f"<msub><mrow>{opened}<msub><mi>z</mi><mn>2</mn></msub>{closed}</mrow><mrow><mn>0</mn></mrow></msub>"
    assert held in html
    assert "<msub><msub>" not in html
    assert "z2[0]" in sg.render(sg.derive(sg.read(text)), "unicode", tensors="index")


def test_vectors_are_columns() -> None:
    """NumPy's `a @ B` is written as the column it is, so that what stands beside it fits."""
    latex = sg.render(derivation_of("rows"), "latex")
    assert r"r &= B^{\top} a" in latex
    assert r"M &= a \left(B^{\top} a\right)^{\top}" in latex


def test_a_letter_touches_no_name() -> None:
    """δb would be a small change of b."""
    derivation = sg.derive(sg.read("x: (n,)\nb: ()\nw: ()\nv = b*w\nL = sum(tanh(v*x))"))
    lines = [" ".join(line.split()) for line in sg.render(derivation, "unicode").splitlines()]
    assert "∂L/∂w = δ·b scalar" in lines
    assert "∂L/∂b = δ·w scalar" in lines


def test_letters_for_derivatives_with_entries() -> None:
    """δ₂ with an index stands in parentheses, δ without a number does not."""
    latex = sg.render(network(), "latex", tensors="index")
    assert r"\frac{\partial L}{\partial a_{j}} &= \sum_{i} (\delta_{2})_{i} \, (W_{2})_{i, j}" in latex
    one = sg.derive(sg.read("x: (d,)\nW: (d, d)\nz = W @ x\nL = sum(z**2)"))
    assert r"\delta_{i} \, W_{i, j}" in sg.render(one, "latex", tensors="index")


@pytest.mark.parametrize(
    ("model", "line"),
    [
        ("one_softmax", "∂L/∂z = p ⊙ (∂L/∂p − sum(∂L/∂p ⊙ p))"),
        ("labels", "∂L/∂Z      = P ⊙ (∂L/∂P − sum(∂L/∂P ⊙ P, axis=1, keepdims=True))"),
        ("jacobian", "∂y/∂x         = diag(1 − y ⊙ y) W"),
        ("softmax_jacobian", "∂s/∂x = diag(s) − s sᵀ"),
        ("gram", "∂L/∂X = X (∂L/∂G)ᵀ + X (∂L/∂G)"),
        ("trace_of_square", "∂L/∂A = 4·tr(A A)·Aᵀ"),
        ("quadratic_form", "∂L/∂x = A x + Aᵀ x"),
        ("inserted_operand", "∂L/∂X = inv(X + A)ᵀ"),
        ("ridge", "dL/dw   = Xᵀ δ + 2·lam·w"),
        ("vector_solution", "∂L/∂A = −(inv(A)ᵀ δ) xᵀ"),
        ("centres", "∂L/∂C[i,j] = −Σ_m δ[m,j]·where(i = t[m], 1, 0)"),
    ],
)
def test_known_gradients(model: str, line: str) -> None:
    """Textbook gradients look as in the textbook."""
    assert line in sg.render(derivation_of(model), "unicode")


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("relu_network", "relu: the derivative is 0 at 0"),
        ("pooled", "max: the derivative is shared evenly at a tie"),
        ("labels", "t selects the entries of P"),
        ("mlp_classifier", "b2 is added to every row: summed over i"),
        ("tied", "2 paths, which add up"),
    ],
)
def test_reasons(model: str, reason: str) -> None:
    """Conventions, labels, broadcasting and forks are explained, once each."""
    text = sg.render(derivation_of(model), "unicode")
    assert text.count(reason) == 1
    assert reason not in sg.render(derivation_of(model), "unicode", detail="chain")


def test_inserted_nodes_have_no_name() -> None:
    """What the reader inserted is told as its formula; JSON alone names it."""
    told = 0
    for model in ALL:
        derivation = derivation_of(model.name)
        inserted = [node.name for node in derivation.primal.nodes if node.inserted]
        hidden = [name for name in inserted if name in TensorForms(derivation).hidden]
        told += len(hidden)
        for format in ("text", "unicode", "latex", "html", "markdown") if hidden else ():
            printed = sg.render(derivation, format)
            spelled = {name: {name, latex_name(name), mathml_name(name)} for name in hidden}
            seen = [n for n in hidden for s in spelled[n] if re.search(rf"(?<!\w){re.escape(s)}(?!\w)", printed)]
            assert not seen, f"{model.name}, {format}"
    assert told > 20


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("x: (d,)\nW: (h, d)\nb: (h,)\na = tanh(W @ x + b)\nL = sum(a**2)", "tanh acts entry by entry, so ⊙"),
        (
            "x: (d,)\nW: (h, d)\nb: (h,)\nc: (h,)\na = c*(W @ x) + b*c\nL = sum(a**2)",
            "a is made entry by entry, so ⊙",
        ),
    ],
)
def test_reasons_name_what_the_user_wrote(source: str, reason: str) -> None:
    """A ⊙ that comes from an inserted node is explained by the definition that the node is part of."""
    derivation = sg.derive(sg.read(source))
    inserted = [node.name for node in derivation.primal.nodes if node.inserted]
    assert inserted
    for format in ("unicode", "latex", "html", "markdown"):
        printed = sg.render(derivation, format)
        spelled = {spell(name) for name in inserted for spell in (str, latex_name, mathml_name)}
        assert not any(re.search(rf"(?<!\w){re.escape(s)}(?!\w)", printed) for s in spelled), format
    assert reason in sg.render(derivation, "unicode")


def test_letters_keep_clear_of_names() -> None:
    """A user's δ is never taken."""
    text = "x: (d,)\nW: (d, d)\nδ2: (d,)\nz = W @ x + δ2\nL = sum(z**2)"
    printed = sg.render(sg.derive(sg.read(text)), "unicode")
    assert "ε := ∂L/∂z = 2z" in printed
    assert "∂L/∂δ2 = ε" in printed


def test_small_values_stand_beside_their_lines() -> None:
    """A small tensor shows its entries, a larger one nothing."""
    derivation = sg.derive(sg.read("x: (d,)\nW: (d, d)\nz = W @ x\nL = sum(z**2)"))
    at = {"x": [1.0, 2.0, 0.5], "W": np.eye(3)}
    text = sg.render(derivation, "unicode", evaluation=sg.compile(derivation)(at))
    lines = {line.strip().partition(" = ")[0].strip(): line for line in text.splitlines()}
    assert lines["δ := ∂L/∂z"].endswith("= [2, 4, 1]")
    assert "0.5" not in lines["∂L/∂W"]


def test_what_does_not_reach_the_output() -> None:
    """A leaf without influence has the derivative 0, in its shape, and a sentence says why."""
    graph = sg.read("x: (d,)\nc: (d,)\nL = sum(where(c > 0, x, 2*x))")
    text = sg.render(sg.derive(graph, ["x", "c"]), "unicode")
    assert "L reads c in conditions alone; its derivative is 0." in text
    assert re.search(r"∂L/∂c\[i\] = 0 +\(d,\)", text)


def test_totals_where_paths_fork() -> None:
    """∂ is refused where a name reaches the output directly and indirectly."""
    with pytest.raises(RenderError, match="two meanings"):
        sg.render(derivation_of("ridge"), "text", notation="partial")
    assert "dL/dw" in sg.render(derivation_of("ridge"), "unicode")
    assert "dL/dz2" in sg.render(network(), "unicode", notation="total")


def test_unknown_style() -> None:
    """A misspelled style is refused with the right one."""
    with pytest.raises(RenderError, match="index"):
        sg.render(network(), "text", tensors="indices")  # type: ignore[arg-type]
