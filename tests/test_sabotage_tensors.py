"""Tests of the checks on tensors: a planted fault is named with its entry, and ordinary programs raise no alarm.

A fault is built into the gradient's graph, so that it runs on to the leaves as in a real program, or into what a
program hands out. `verify` must fail and name the quantity and the entry; the step check must find it where it was
made, and must not blame the steps downstream that only pass it on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sympy
import torch

import symgrad as sg
from symgrad.checks.points import random_points
from symgrad.checks.steps import check_steps
from symgrad.core.derivation import Derivation
from symgrad.core.expression import Expr, mul, negative, number, where
from symgrad.core.graph import Graph, Node
from symgrad.core.indices import SumOver, entry, reindex, total
from symgrad.core.results import Evaluation, Verdict

Change = Callable[[Node], Expr]
Program = Callable[[Mapping[str, Any]], Evaluation]

MODEL = """
X: (n, d)
W: (d, h)
b: (h,)
v: (h,)
y: (n,)
Z = X @ W + b
A = tanh(Z)
p = A @ v
L = sum((p - y)**2)/n + c*sum(A**2)
"""
"""A network whose activation forks: `A` reaches the loss by two paths."""

ATTENTION = """
Q: (n, d)
K: (m, d)
V: (m, e)
S = Q @ K.T/sqrt(d)
P = softmax(S)
O = P @ V
L = sum(O**3)
"""

LABELS = """
X: (n, d)
W: (d, k)
t: (n,)
Z = X @ W
l = log_softmax(Z)
L = -sum(l[i,t[i]], i)/n
"""

SQUARE = """
A: (n, n)
B: (n, n)
C = A @ B
D = C @ A.T
L = sum(D**3)
"""


def with_faults(derivation: Derivation, changes: Mapping[str, Change]) -> Program:
    """A program whose gradient has other formulas at some nodes, which runs on to the leaves."""
    nodes = tuple(
        Node(n.name, changes[n.name](n), index=n.index) if n.name in changes else n for n in derivation.gradient.nodes
    )
    assert set(changes) <= {n.name for n in nodes}
    return sg.compile(replace(derivation, gradient=Graph(nodes, derivation.gradient.outputs)))


def at_entry(at: tuple[int, ...], factor: float) -> Change:
    """One entry multiplied by a factor."""

    def changed(node: Node) -> Expr:
        nudge: Expr = number(factor)
        for index, position in zip(node.index, at, strict=True):
            condition = sympy.Eq(index, sympy.Integer(position), evaluate=False)
            nudge = where(condition, nudge, sympy.Integer(1))
        return mul(body_of(node), nudge)

    return changed


def body_of(node: Node) -> Expr:
    """The right-hand side of a node that has one."""
    assert node.body is not None
    return node.body


def blamed(verdicts: tuple[Verdict, ...], referee: str, judged: str = "symgrad") -> set[tuple[str, str, str]]:
    """What one referee blames."""
    return {(v.kind, v.of, v.by) for v in verdicts if not v.passed and v.referee == referee and v.judged == judged}


def found(verdicts: tuple[Verdict, ...], kind: str, of: str, by: str, referee: str = "step") -> Verdict:
    """The one verdict of that name."""
    (verdict,) = (
        v for v in verdicts if (v.kind, v.of, v.by, v.referee, v.judged) == (kind, of, by, referee, "symgrad")
    )
    return verdict


def case(text: str = MODEL, seed: int = 0) -> tuple[Derivation, dict[str, Any]]:
    """A derivation by every leaf, and a point."""
    derivation = sg.derive(sg.read(text))
    (point,) = random_points(derivation, 1, seed)
    return derivation, dict(point)


@pytest.mark.parametrize("text", [MODEL, ATTENTION, LABELS, SQUARE])
def test_the_unfaulty_program_passes(text: str, arithmetic_used: str) -> None:
    """Without a fault the same machinery raises no alarm, so that what follows is the faults' doing."""
    derivation, at = case(text)
    assert sg.verify(derivation, at, program=with_faults(derivation, {})).failures == ()


# faults in a program's formulas


@pytest.mark.parametrize(
    ("text", "edge", "node"),
    [
        (MODEL, ("Z", "W"), "dL_dW"),
        (MODEL, ("p", "A"), "dL_dA_via_p"),
        (MODEL, ("A", "Z"), "dL_dZ"),
        (ATTENTION, ("S", "K"), "dL_dK"),
        (LABELS, ("L", "l"), "dL_dl"),
        (SQUARE, ("C", "B"), "dL_dB"),
    ],
)
@pytest.mark.parametrize("fault", ["sign", "factor", "lost factor"])
def test_a_wrong_formula_is_named(
    text: str, edge: tuple[str, str], node: str, fault: str, arithmetic_used: str
) -> None:
    """A flipped sign, a factor too many or one too few: the edge is named, and no step that follows its formula."""
    derivation, at = case(text)

    def changed(old: Node) -> Expr:
        body = body_of(old)
        if fault == "sign":
            return negative(body)
        if fault == "factor":
            return mul(sympy.Integer(2), body)
        inner = body.args[0] if isinstance(body, SumOver) else body
        upstream = derivation.adjoints[edge[0]]
        dropped = [f for f in inner.args if upstream not in {str(s) for s in f.free_symbols}][-1]
        rest = mul(*(f for f in inner.args if f != dropped))
        return total(rest, body.indices) if isinstance(body, SumOver) else rest

    verification = sg.verify(derivation, at, program=with_faults(derivation, {node: changed}))
    assert blamed(verification.verdicts[0], "step") == {("contribution", *edge)}
    kind = "gradient" if edge[1] in derivation.wrt else "adjoint"
    assert (kind, "L", edge[1]) in blamed(verification.verdicts[0], "autograd")
    assert blamed(verification.verdicts[0], "step", "autograd") == set()


def test_a_transposed_gradient_is_named(arithmetic_used: str) -> None:
    """A square gradient that comes out transposed is wrong off its diagonal, and named there."""
    derivation, at = case(SQUARE)

    def transposed(node: Node) -> Expr:
        i, j = node.index
        return reindex(body_of(node), {i: j, j: i})

    faulty = with_faults(derivation, {"dL_dB": transposed})
    verdicts = sg.verify(derivation, at, program=faulty).verdicts[0]
    verdict = found(verdicts, "contribution", "C", "B")
    n = len(at["A"])
    assert not verdict.passed
    assert verdict.entry[0] != verdict.entry[1]
    assert (verdict.entries, verdict.failed_entries) == (n * n, n * n - n)
    assert blamed(verdicts, "autograd") == {("gradient", "L", "B")}


def test_a_gradient_of_the_wrong_shape_is_named() -> None:
    """A rectangular gradient that comes out transposed has a wrong shape, and both shapes are said."""
    derivation, at = case()
    right = sg.compile(derivation)(at)
    turned = right.gradient["W"].T
    edge = ("Z", "W")
    faulty = replace(
        right,
        gradient={**right.gradient, "W": turned},
        adjoints={**right.adjoints, "W": turned},
        contributions={**right.contributions, edge: turned},
    )
    verification = sg.verify(derivation, at, program=lambda point: faulty)
    d, h = at["W"].shape
    notes = {v.note for v in verification.failures}
    assert notes == {f"symgrad gives shape {(h, d)}, where {(d, h)} is due"}
    assert ("gradient", "L", "W") in blamed(verification.verdicts[0], "autograd")
    assert ("contribution", "Z", "W") in blamed(verification.verdicts[0], "step")
    assert f"symgrad gives shape ({h}, {d}), where ({d}, {h}) is due" in sg.render(verification)


def test_a_swapped_index_is_named(arithmetic_used: str) -> None:
    """`C[i,k] = A[i,j]·B[j,k]` pulled back with `B[k,j]` for `B[j,k]` is named at that edge."""
    derivation, at = case(SQUARE)
    term = next(t for t in derivation.terms if (t.child, t.parent) == ("C", "A"))

    def swapped(node: Node) -> Expr:
        (read,) = (part for part in body_of(node).atoms(sympy.Indexed) if str(part.base.label) == "B")
        return body_of(node).xreplace({read: entry("B", read.args[:0:-1])})

    verdicts = sg.verify(derivation, at, program=with_faults(derivation, {term.contribution: swapped})).verdicts[0]
    assert blamed(verdicts, "step") == {("contribution", "C", "A")}
    assert ("contribution", "C", "A") in blamed(verdicts, "autograd"), "edge by edge, since A has two"
    assert ("contribution", "D", "A") not in blamed(verdicts, "autograd")
    assert ("gradient", "L", "A") in blamed(verdicts, "autograd")


def test_an_axis_off_by_one_is_named(arithmetic_used: str) -> None:
    """A bias gradient summed over all rows but the first is named, in every entry."""
    derivation, at = case()

    def short(node: Node) -> Expr:
        body = body_of(node)
        (bound,) = node.summed
        inner = body.args[0]
        skipped = where(sympy.Eq(bound, sympy.Integer(0), evaluate=False), sympy.Integer(0), inner)
        return body.func(skipped, bound)

    verdicts = sg.verify(derivation, at, program=with_faults(derivation, {"dL_db": short})).verdicts[0]
    verdict = found(verdicts, "contribution", "Z", "b")
    assert verdict.failed_entries == verdict.entries == len(at["b"])
    assert blamed(verdicts, "step") == {("contribution", "Z", "b")}


@pytest.mark.parametrize("lost", [0, 1])
def test_a_lost_path_is_named(lost: int, arithmetic_used: str) -> None:
    """An adjoint that misses one of its paths is named as that sum; what follows from it is wrong beside torch."""
    derivation, at = case()
    kept = derivation.step("A").terms[1 - lost].contribution
    faulty = with_faults(derivation, {"dL_dA": lambda node: entry(kept, node.index)})
    verdicts = sg.verify(derivation, at, program=faulty).verdicts[0]
    assert blamed(verdicts, "step") == {("adjoint", "L", "A")}
    assert {("adjoint", "L", "A"), ("adjoint", "L", "Z"), ("gradient", "L", "W")} <= blamed(verdicts, "autograd")
    assert not {b for b in blamed(verdicts, "autograd") if b[0] == "contribution"}


def test_one_of_two_occurrences_counted_twice_is_named() -> None:
    """`G = XᵀX` reads X twice; a program that doubles the first contribution and drops the second is named at both."""
    derivation, at = case("X: (n, d)\nC: (d, d)\nG[i,j] = X[k,i]*X[k,j]\nL = sum(C*G)")
    terms = [t for t in derivation.terms if t.parent == "X"]
    faulty = with_faults(
        derivation,
        {
            terms[0].contribution: lambda node: mul(sympy.Integer(2), body_of(node)),
            terms[1].contribution: lambda node: sympy.Integer(0),
        },
    )
    verdicts = sg.verify(derivation, at, program=faulty).verdicts[0]
    for referee in ("step", "autograd"):
        wrong = {v.number for v in verdicts if not v.passed and v.referee == referee and v.kind == "contribution"}
        assert wrong == {1, 2}
    assert "through its occurrence 2" in sg.render(sg.verify(derivation, at, program=faulty))


def test_a_label_off_by_one_is_named() -> None:
    """A cross-entropy whose gradient picks the class beside the label is named at that class."""
    derivation, at = case(LABELS)
    classes = at["W"].shape[1]
    shifted = {**at, "t": (at["t"] + 1) % classes}
    right, wrong = sg.compile(derivation)(at), sg.compile(derivation)(shifted)
    edge = ("L", "l")
    faulty = replace(
        right,
        adjoints={**right.adjoints, "l": wrong.adjoints["l"]},
        contributions={**right.contributions, edge: wrong.contributions[edge]},
    )
    verdict = found(sg.verify(derivation, at, program=lambda point: faulty).verdicts[0], "contribution", "L", "l")
    assert not verdict.passed
    row, column = verdict.entry
    assert column in (at["t"][row], shifted["t"][row])
    assert verdict.failed_entries == 2 * len(at["t"])


# one entry, and little


@pytest.mark.parametrize("node", ["dL_dW", "dL_dA", "dL_dZ", "dL_dA_via_p"])
def test_one_entry_off_by_1e_11_is_named(node: str, arithmetic_used: str) -> None:
    """A relative error of 1e-11 in one entry of a double is found in that entry, and in no other."""
    derivation, at = case()
    where_ = (1, 1)
    faulty = with_faults(derivation, {node: at_entry(where_, 1 + 1e-11)})
    verification = sg.verify(derivation, at, program=faulty)
    name = {"dL_dW": ("contribution", "Z", "W"), "dL_dA": ("adjoint", "L", "A")}.get(node)
    name = name or {"dL_dZ": ("contribution", "A", "Z"), "dL_dA_via_p": ("contribution", "p", "A")}[node]
    assert blamed(verification.verdicts[0], "step") == {name}
    verdict = found(verification.verdicts[0], *name)
    assert (verdict.entry, verdict.failed_entries) == (where_, 1)
    assert verdict.entries == sg.compile(derivation)(at).adjoints[name[2]].size
    assert abs(verdict.value / verdict.reference - 1) == pytest.approx(1e-11, rel=1e-3)


def test_the_report_names_the_entry() -> None:
    """The row of a gradient with one wrong entry shows that entry and both numbers in full; a sentence names it."""
    derivation, at = case()
    faulty = with_faults(derivation, {"dL_dW": at_entry((1, 0), 1 + 1e-9)})
    verification = sg.verify(derivation, at, program=faulty)
    right = sg.compile(derivation)(at).gradient["W"]
    unicode_, text = sg.render(verification, "unicode"), sg.render(verification)
    (row,) = (line for line in unicode_.splitlines() if line.startswith("dL/dW[1,0] "))
    assert row.endswith(f"WRONG, 1 of {right.size} entries")
    assert "dL_dW[1,0] " in text
    assert "symgrad's contribution of Z to W[1,0] is " in text
    assert "symgrad departs from the formula here" in text
    assert not verification.passed


def test_a_wrong_entry_among_many_is_the_one_told() -> None:
    """Of several wrong entries the worst is told, and how many more there are."""
    derivation, at = case()
    right = sg.compile(derivation)(at)
    wrong = right.gradient["W"].copy()
    wrong[0, 0] *= 1 + 1e-9
    wrong[1, 1] *= 1.5
    faulty = replace(right, adjoints={**right.adjoints, "W": wrong}, gradient={**right.gradient, "W": wrong})
    verification = sg.verify(derivation, at, program=lambda point: faulty)
    verdict = found(verification.verdicts[0], "gradient", "L", "W", "autograd")
    assert (verdict.entry, verdict.failed_entries) == ((1, 1), 2)
    assert f"1 more of {wrong.size} entries are off" in sg.render(verification)


def test_a_wrong_value_is_named() -> None:
    """An entry of the primal that does not follow from its parents is named as that value."""
    derivation, at = case()
    right = sg.compile(derivation)(at)
    value = right.nodes["A"].copy()
    value[1, 1] *= 1 + 1e-11
    faulty = replace(right, nodes={**right.nodes, "A": value})
    verdicts = check_steps(derivation, faulty, "float64", "symgrad")
    verdict = found(verdicts, "value", "A", "A")
    assert (verdict.passed, verdict.entry, verdict.failed_entries) == (False, (1, 1), 1)
    assert ("value", "Z", "Z") not in blamed(verdicts, "step")


def test_a_gradient_handed_on_wrongly_is_named() -> None:
    """What is handed out as the gradient is judged, not only the adjoints shown on the way."""
    derivation, at = case()
    right = sg.compile(derivation)(at)
    wrong = right.gradient["v"].copy()
    wrong[-1] = np.nextafter(wrong[-1], 9.0)
    faulty = replace(right, gradient={**right.gradient, "v": wrong})
    (failure,) = sg.verify(derivation, at, program=lambda point: faulty).failures
    assert (failure.kind, failure.by, failure.entry) == ("gradient", "v", (len(wrong) - 1,))
    assert failure.note.startswith("symgrad hands on another number")


@pytest.mark.parametrize("number_", [np.nan, np.inf, -np.inf])
def test_an_entry_that_is_not_finite_is_named(number_: float, arithmetic_used: str) -> None:
    """A NaN or an infinity where the truth is finite fails at its entry, in every referee's eyes."""
    derivation, at = case()
    right = sg.compile(derivation)(at)
    wrong = right.gradient["W"].copy()
    wrong[1, 1] = number_
    faulty = replace(
        right,
        adjoints={**right.adjoints, "W": wrong},
        gradient={**right.gradient, "W": wrong},
        contributions={**right.contributions, ("Z", "W"): wrong},
    )
    verdicts = sg.verify(derivation, at, program=lambda point: faulty).verdicts[0]
    assert found(verdicts, "contribution", "Z", "W").entry == (1, 1)
    assert found(verdicts, "gradient", "L", "W", "autograd").entry == (1, 1)
    assert not found(verdicts, "gradient", "L", "W", "autograd").passed


def test_a_wrong_seed_of_a_jacobian_is_named() -> None:
    """The output's own derivative is the identity; an entry off it is named as the seed."""
    derivation, at = case("W: (h, d)\nx: (d,)\ny = tanh(W @ x)")
    right = sg.compile(derivation)(at)
    wrong = right.adjoints["y"].copy()
    wrong[0, 1] = 1e-30
    faulty = replace(right, adjoints={**right.adjoints, "y": wrong})
    verdicts = sg.verify(derivation, at, program=lambda point: faulty).verdicts[0]
    assert found(verdicts, "seed", "y", "y", "seed").entry == (0, 1)


def test_a_program_that_drops_to_float32_is_named(arithmetic_used: str) -> None:
    """A whole program in float32 under the name of float64 fails at every rounding it makes."""
    derivation, at = case()
    failures = sg.verify(derivation, at, program=sg.compile(derivation, dtype="float32")).failures
    assert {"A", "p", "Z"} <= {v.of for v in failures if v.kind == "value"}


# faults of the referee, and of the derivation


def test_a_wrong_torch_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """When torch's own derivative of tanh is off, it is autograd that departs, and where."""
    derivation, at = case()
    right = torch.tanh
    monkeypatch.setattr(torch, "tanh", lambda x: right(x) + 1e-9 * (x - x.detach()))
    failures = sg.verify(derivation, at).failures
    assert blamed(failures, "step") == set()
    assert blamed(failures, "step", "autograd") == {("contribution", "A", "Z")}
    assert {v.note for v in failures if v.referee == "autograd"} == {"autograd lies outside what rounding explains"}


def test_a_wrong_rule_is_caught_by_autograd() -> None:
    """A program that follows a wrong derivation to the letter is caught by autograd."""
    derivation, at = case()
    term = next(t for t in derivation.terms if (t.child, t.parent) == ("A", "Z"))
    wrong = mul(number(1.001), term.partial)
    steps = tuple(
        replace(s, terms=tuple(replace(t, partial=wrong, written=wrong) if t == term else t for t in s.terms))
        for s in derivation.steps
    )
    nodes = tuple(
        replace(n, body=mul(number(1.001), body_of(n))) if n.name == term.contribution else n
        for n in derivation.gradient.nodes
    )
    faulty = replace(derivation, steps=steps, gradient=Graph(nodes, derivation.gradient.outputs))
    failures = sg.verify(faulty, at).failures
    assert blamed(failures, "step") == set(), "the program follows its formula"
    assert blamed(failures, "step", "autograd") == {("contribution", "A", "Z")}
    assert {("adjoint", "L", "Z"), ("gradient", "L", "W")} <= blamed(failures, "autograd")
