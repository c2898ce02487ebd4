"""Hand-made derivatives: right ones in every spelling are passed, wrong ones refused and told what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy
import pytest
from flint import arb

import symgrad as sg
from symgrad.answers.equality import compare
from symgrad.answers.grounds import Grounds
from symgrad.checks.scalar_balls import precision
from symgrad.cli import run
from symgrad.core.answer import Answer
from symgrad.renderers.answers import render_answer

SEED = "y_pred = x*w; l = (y_pred - y)**2"
RIDGE = "y_pred = x*w; e = y_pred - y; fit = e**2; reg = lam*w**2; l = fit + reg"
SHARED = "h = tanh(w*x); fit = (h - y)**2; pen = c*h**2; l = fit + pen"
LINEAR = "X: (n, d); w: (d,); y: (n,); r = X @ w - y; L = sum(r**2)/n"
PENALTY = "X: (n, d); w: (d,); r = X @ w; fit = sum(r**2); pen = lam*sum(w**2); L = fit + pen"
NETWORK = (
    "x: (d,); y: (k,); W1: (h, d); b1: (h,); W2: (k, h); b2: (k,); "
    "z1 = W1 @ x + b1; a = tanh(z1); z2 = W2 @ a + b2; L = sum((z2 - y)**2)"
)


def judged(source: str, name: str, answer: str, **options: object) -> Answer:
    """An answer, judged."""
    return sg.check(sg.derive(sg.read(source), name), name, answer, **options)  # type: ignore[arg-type]


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and messages of `symgrad check`."""
    code = run(["check", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


# what is printed


def test_missing_factor_as_the_command_line_promises(capsys: pytest.CaptureFixture[str]) -> None:
    """The wrong answer of the lecture's problem prints as documented, at a point of small numbers."""
    code, out, _ = printed(capsys, SEED, "--wrt", "w", "--answer", "2*(x*w - y)", "-f", "unicode")
    assert code == 1
    assert out == (
        "No: a factor x is missing.\n"
        "  yours      2(xw − y)       at x=3, y=6, w=1     −6\n"
        "  expected   2x(xw − y)                          −18\n"
        "  Your formula equals ∂l/∂y_pred; still to multiply: ∂y_pred/∂w = x.\n"
    )


def test_text_names_derivatives_by_identifiers(capsys: pytest.CaptureFixture[str]) -> None:
    """In plain text every formula reads back."""
    code, out, _ = printed(capsys, SEED, "--wrt", "w", "--answer", "2*(x*w - y)")
    assert code == 1
    assert out == (
        "No: a factor x is missing.\n"
        "  yours      2*(x*w - y)        at x=3, y=6, w=1     -6\n"
        "  expected   2*x*(x*w - y)                          -18\n"
        "  Your formula equals dl_dy_pred; still to multiply: dy_pred_dw = x.\n"
    )


def test_right_answers_say_how_symgrad_writes_them(capsys: pytest.CaptureFixture[str]) -> None:
    """Yes, and symgrad's form where it is another."""
    assert printed(capsys, SEED, "-w", "w", "--answer", "2*x*(x*w - y)")[:2] == (0, "Yes.\n")
    code, out, _ = printed(capsys, SEED, "-w", "w", "--answer", "2*w*x**2 - 2*x*y")
    assert (code, out) == (0, "Yes. symgrad writes it 2*x*(x*w - y).\n")


def test_given_point_is_the_one_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """`--at` chooses the point; where the two agree there, another is shown and that is said."""
    _, out, _ = printed(capsys, SEED, "-w", "w", "--answer", "2*(x*w - y)", "--at", "x=2,y=1,w=3")
    assert "at x=2, y=1, w=3    10" in out
    code, out, _ = printed(capsys, SEED, "-w", "w", "--answer", "2*(x*w - y)", "--at", "x=1,y=1,w=3")
    assert code == 1
    assert "at x=3, y=6, w=1" in out
    assert "At the point given the two agree." in out


def test_json_has_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    """The result as JSON, with all digits."""
    code, out, _ = printed(capsys, SEED, "-w", "w", "--answer", "2*(x*w - y)", "--json")
    found = json.loads(out)
    assert code == 1
    assert (found["ruling"], found["wrt"], found["yours"]) == ("no", "w", "2*(x*w - y)")
    assert (found["value"], found["reference"], found["at"]) == (-6.0, -18.0, {"x": 3.0, "w": 1.0, "y": 6.0})
    assert [d["fault"] for d in found["diagnoses"]] == ["missing factor", "stopped early"]
    assert found["diagnoses"][0]["factor"] == "x"
    assert found["diagnoses"][1]["sentences"] == ["Your formula equals dl_dy_pred; still to multiply: dy_pred_dw = x."]


def test_the_same_bytes_under_every_hash_seed() -> None:
    """Neither the points nor the words depend on Python's hash seed."""
    command = [sys.executable, "-m", "symgrad", "check", SHARED, "-w", "w", "--answer", "2*(h - y)*x*(1 - h**2)"]
    runs = [
        subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=False)
        for seed in ("1", "2")
    ]
    assert runs[0].stdout == runs[1].stdout
    assert b"is forgotten" in runs[0].stdout


# the diagnoses

DIAGNOSES = [
    (SEED, "w", "-2*x*(x*w - y)", "sign", "the sign is flipped."),
    (SEED, "w", "x*(x*w - y)", "factor", "off by a constant factor: yours is ½ times"),
    (SEED, "w", "4*x*(x*w - y)", "factor", "yours is 2 times what it should be."),
    (SEED, "w", "-x*(x*w - y)", "factor", "the sign is flipped, and yours is ½ times"),
    ("l = (a + b + c)**2/3", "a", "2*(a + b + c)", "factor", "yours is 3 times"),
    (LINEAR, "w", "2*X.T @ r", "factor", "yours is n times"),
    (LINEAR, "w", "X.T @ r/n", "factor", "yours is ½ times"),
    (SEED, "w", "2*(y_pred - y)", "missing factor", "a factor x is missing."),
    ("l = sin(x**2)", "x", "cos(x**2)", "missing factor", "a factor 2x is missing."),
    ("l = (x*w - y)**2", "w", "2*(x*w - y)", "missing factor", "a factor x is missing."),
    ("p = sigmoid(z); l = -log(p)", "z", "-1/p", "missing factor", "a factor p(1 − p) is missing."),
    (SHARED, "w", "dl_dh*x", "missing factor", "a factor 1 − h² is missing."),
    (SEED, "w", "2*x**2*(x*w - y)", "extra factor", "a factor x is too many."),
    ("l = x**3", "x", "3*x**3", "extra factor", "a factor x is too many."),
    ("a = w*x; b = sin(a) + w**2; l = b**2", "w", "2*b", "stopped early", "it stops early, at dl/db."),
    (NETWORK, "b1", "W2.T @ (2*(z2 - y))", "stopped early", "it stops early, at ∂L/∂a."),
    (RIDGE, "w", "2*e*x", "path forgotten", "the path w → reg → l is forgotten."),
    (RIDGE, "w", "2*lam*w", "path forgotten", "the path w → y_pred → e → fit → l is forgotten."),
    (SHARED, "w", "2*(h - y)*x*(1 - h**2)", "path forgotten", "the path w → h → pen → l is forgotten."),
    ("a = w; b = w**2; c = w**3; l = a*b*c + sin(a)", "w", "a*b*3*w**2", "path forgotten", "2 paths are forgotten;"),
    (PENALTY, "w", "2*X.T @ r", "path forgotten", "is forgotten."),
    ("y = x*w; l = y**2 + y*w", "w", "y", "local partial", "the local partial of l by w, all else held fixed"),
    (SEED, "w", "x", "local partial", "this is only the local partial ∂y_pred/∂w."),
    (SEED, "w", "2*w*(x*w - y)", "other variable", "this is the derivative by x."),
    (NETWORK, "b2", "dL_da", "shape", "its shape is (h,), where (k,) is due."),
    (NETWORK, "W2", "outer(a, 2*(z2 - y))", "transposed", "right up to a transpose: transpose it."),
    ("A: (n, n); B: (n, n); L = sum((A @ B)**2)", "A", "2*B @ (A @ B).T", "transposed", "transpose it."),
    ("A: (n, n); b: (n,); L = sum((A @ b)**2)", "b", "2*A @ (A @ b)", "transposed", "transpose A."),
    (LINEAR, "w", "2*X*r[:, None]/n", "unsummed", "it is not summed yet: sum it over axis 0."),
    ("x: (n,); L = sum(2*x)", "x", "2", "broadcast", "every entry is right, but its shape is (), where (n,) is due."),
    ("z = w*x; l = 3*relu(z)", "w", "3*x", "cases", "it is right only where z > 0, where relu is active."),
    ("z = w*x; l = 3*relu(z)", "w", "0", "cases", "it is right only where z < 0."),
    ("l = abs(x)*w", "x", "w", "cases", "it is right only where x > 0."),
    ("l = max(x, y)", "x", "1", "cases", "it is right only where x > y."),
    ("l = where(x > 1000, x, x**2)", "x", "2*x", "cases", "it is right only where x < 1000."),
    ("l = where(k == 1, w**2, w)", "w", "1", "cases", "it is right only where k ≠ 1."),
    ("l = x**2", "x", "sqrt(4*x**2)", "cases", "it is right only where x > 0."),
    ("l = x**2", "x", "2*exp(log(x))", "cases", "it is right only where x > 0."),
    ("l = log(-x)", "x", "exp(-log(x))", "no value", "your formula has no value where the loss has one."),
    ("l = a*x + b*x**2 + c*sin(x)", "x", "a + 2*b*x", "missing term", "the term c·cos(x) is missing."),
    ("l = a*x + b*x**2 + c*cos(x)", "x", "a + 2*b*x + c*sin(x)", "term's sign", "the sign of the term"),
    ("a = w**2; b = sin(a); c = exp(a); l = b*c", "w", "2*w*c*(cos(a) - b)", "path's sign", "is flipped, on its path"),
    (NETWORK, "W1", "outer(W2.T @ (2*(z2 - y)), x)", "path's factor", "the factor ∂a/∂z1 = 1 − a[i]² is missing."),
]  # fmt: skip


@pytest.mark.parametrize(("source", "name", "answer", "fault", "words"), DIAGNOSES)
def test_diagnosis(source: str, name: str, answer: str, fault: str, words: str) -> None:
    """A slip is called by its name, in the user's own names."""
    found = judged(source, name, answer)
    assert found.ruling == "no"
    assert not found.passed
    assert found.diagnoses[0].fault == fault
    assert words in render_answer(found, "unicode").splitlines()[0]


def test_other_sentences() -> None:
    """What is left to do, what a forgotten path adds, where else a name leads."""
    assert "  Its term is 2·lam·w." in render_answer(judged(RIDGE, "w", "2*e*x"), "unicode")
    assert "  w reaches l through y too." in render_answer(judged("y = x*w; l = y**2 + y*w", "w", "y"), "unicode")
    assert "  Still to multiply: ∂l/∂y_pred." in render_answer(judged(SEED, "w", "x"), "unicode")
    absent = judged("u: (); l = x**2", "u", "2")
    assert "l does not depend on u, so the derivative is 0." in render_answer(absent, "unicode")
    assert render_answer(judged("l = log(x)", "x", "sin(x)")).startswith("No: the two formulas differ.")


# what points alone would miss


@pytest.mark.parametrize(
    ("source", "name", "answer"),
    [
        ("l = x**2", "x", "where(x > 12345.5, 0, 2*x)"),
        ("l = x**2", "x", "where(x == 1, 5, 2*x)"),
        ("l = x**2", "x", "2*x + exp(-1000*(x - 7)**2)"),
        ("l = x**2", "x", "2*x + 1e-30*x"),
        ("l = x**2", "x", "2*x + ((1e80 + x) - 1e80)*1e-7"),
        ("l = x**2", "x", "2*x*(1 + exp(-200))"),
        ("l = x**n", "x", "n*abs(x)**(n - 1)"),
        ("l = log(x**2)/2", "x", "1/abs(x)"),
        ("a = log(x); l = where(x > 0, a, -x)", "x", "1/x"),
        ("l = where(k >= 1, w**2, w)", "w", "where(k > 1, 2*w, 1)"),
        ("l = where(x**2 + y**2 > 1e6, x, 2*x)", "x", "2"),
        ("v = (x - 50)**2; l = sqrt(v)", "x", "1"),
        ("l = relu(x)*relu(y)*relu(z)", "x", "where(x > 0, y*z, 0)"),
    ],
)
def test_narrow_differences_are_found(source: str, name: str, answer: str) -> None:
    """Far thresholds, single points, whole exponents, combinations of cases: each is looked for."""
    assert judged(source, name, answer).ruling == "no"


def test_wide_enclosures_decide_nothing() -> None:
    """Enclosures that merely overlap are no agreement, nor is one of no number."""
    third = arb(1) / 3
    assert compare(third, third) == "open"
    with precision(256):
        assert compare(arb(1) / 3, arb(2) / 6) == "same"
        assert compare(arb(1) / 3, arb(1) / 3 + arb(2) ** -190) == "different"
        assert compare(arb(1, 1e-20), arb(1)) == "open"
        assert compare(arb(0, 1e-20), arb(0)) == "open"
        assert compare(arb.nan(), arb(1)) == "open"


def test_undecided_is_never_yes(capsys: pytest.CaptureFixture[str]) -> None:
    """A case that no point reaches leaves the answer undecided, with exit code 3 and a way out."""
    source, answer = "l = x**2", "where(sin(x)*cos(x) > 0.49999999999, 5, 2*x)"
    found = judged(source, "x", answer)
    assert found.ruling == "undecided"
    assert "give one with --at" in found.reason
    code, out, _ = printed(capsys, source, "-w", "x", "--answer", answer)
    assert code == 3
    assert out.startswith("Cannot decide: they agree at")


def test_algebra_settles_what_no_point_reaches() -> None:
    """The same unreachable case in both formulas decides nothing."""
    source = "l = x**2 + where(sin(x)*cos(x) > 0.49999999999, x, y)"
    assert judged(source, "x", "where(sin(x)*cos(x) > 0.49999999999, 1, 0) + x + x").passed


def test_the_points_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With positive points alone a wrong answer would pass: the choice of points is what refuses it."""
    positive = [{"x": n / 7} for n in range(1, 12)]
    monkeypatch.setattr(Grounds, "draw", lambda self, number, sizes=None: positive[number % 11])
    monkeypatch.setattr("symgrad.answers.grounds._Choice.search", lambda self: None)
    assert judged("l = x**2", "x", "sqrt(4*x**2)").passed


# what cannot be judged


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("2*x*(x*w", "this '(' is never closed"),
        ("2*(xw - y)", "there is no 'xw' in the loss"),
        ("2*x*(y_pre - y)", "Did you mean 'y_pred'?"),
        ("dl_dw", "'dl_dw' is what the answer is to be"),
        ("dl_dx = 2*w*(x*w - y)", "'dl_dx' stands on the left, where 'dl_dw' is asked for"),
        ("2*x; 3", "expected one expression, found 2 statements"),
        ("", "expected one expression"),
        ("2*sigmod(x)", "unknown function 'sigmod'"),
    ],
)
def test_unreadable_answers(capsys: pytest.CaptureFixture[str], answer: str, message: str) -> None:
    """What cannot be read is an error with exit code 2, and a caret where there is a place."""
    code, out, err = printed(capsys, SEED, "-w", "w", "--answer", answer)
    assert (code, out) == (2, "")
    assert message in err
    assert "^" in err or not answer or ";" in answer


def test_which_name_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """With several leaves the name must be said, with --wrt or on the left of the answer."""
    code, _, err = printed(capsys, SEED, "--answer", "2*x")
    assert code == 2
    assert "which of x, w, y is the answer the derivative by?" in err
    assert printed(capsys, SEED, "--answer", "dl_dw = 2*x*(x*w - y)")[:2] == (0, "Yes.\n")
    assert printed(capsys, "l = x**2", "--answer", "2*x")[0] == 0


def test_points_that_cannot_serve(capsys: pytest.CaptureFixture[str]) -> None:
    """A point outside the domain, at a kink, or with a value missing is refused."""
    assert "outside the domain" in printed(capsys, "l = log(x)", "--answer", "1/x", "--at", "x=-1")[2]
    assert "at a kink" in printed(capsys, "l = abs(x)", "--answer", "1", "--at", "x=0")[2]
    assert "has no value for 'y'" in printed(capsys, SEED, "-w", "w", "--answer", "x", "--at", "x=1,w=1")[2]
    code, _, err = printed(capsys, "l = sqrt(-x**2 - 1)", "--answer", "x")
    assert (code, "no random point lies in the domain" in err) == (2, True)
    with pytest.raises(sg.SymgradError, match="not of shape"):
        judged(LINEAR, "w", "r @ X", at={"X": 1.0, "w": [1.0], "y": [1.0]})


def test_tensor_points_may_be_given() -> None:
    """Arrays given by the caller are compared too; those too large to certify are refused."""
    at = {"X": [[1.0, 0.0], [2.0, 3.0], [1.0, 1.0]], "w": [1.0, 2.0], "y": [1.0, 1.0, 0.0]}
    found = judged(LINEAR, "w", "X.T @ r/n", at=at)
    assert (found.given, found.entry, found.value) == (True, (0,), 17 / 3)
    assert found.reference == 34 / 3
    large = {"X": numpy.full((1500, 1500), 0.5), "w": numpy.full(1500, 0.5), "y": numpy.full(1500, 0.5)}
    with pytest.raises(sg.SymgradError, match="too large"):
        judged(LINEAR, "w", "X.T @ r/n", at=large)


def test_index_notation_without_its_left_side() -> None:
    """`index` names the indices of an answer that does not say them itself."""
    assert judged(NETWORK, "W2", "2*(z2[i] - y[i])*a[j]", index=("i", "j")).passed
    with pytest.raises(sg.SymgradError, match="give each axis one index"):
        judged(NETWORK, "W2", "2*(z2[i] - y[i])*a[j]", index=("i",))
