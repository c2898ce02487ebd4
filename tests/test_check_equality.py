"""Right answers in every spelling are passed; wrong ones, single slips in right ones, never are."""

from __future__ import annotations

import pytest
from cases import CASES, Case
from mutations import TensorTruth, Truth, mutations, sample
from tensor_models import MODELS, Model
from test_check import LINEAR, NETWORK, SEED, SHARED

import symgrad as sg
from symgrad.answers.comparison import Judge
from symgrad.calculus.forms import Forms
from symgrad.calculus.tensor_forms import TensorForms
from symgrad.core.expression import add
from symgrad.renderers.formula import TextPrinter

# right answers, rewritten

REWRITINGS = [
    ("l = sin(x)**2", "x", ["2*sin(x)*cos(x)", "sin(2*x)", "2*tan(x)/(1 + tan(x)**2)", "-sin(-2*x)"]),
    ("l = tan(x)", "x", ["1 + tan(x)**2", "sec(x)**2", "1/cos(x)**2", "2/(1 + cos(2*x))"]),
    ("l = cos(3*x)", "x", ["-3*sin(3*x)", "-9*sin(x) + 12*sin(x)**3", "-3*(3*sin(x) - 4*sin(x)**3)"]),
    ("l = sin(x)*cos(y)", "x", ["cos(x)*cos(y)", "(cos(x + y) + cos(x - y))/2"]),
    ("l = atan(x)", "x", ["1/(1 + x**2)", "cos(atan(x))**2", "(x**2 + 1)**(-1)"]),
    ("l = asin(x)", "x", ["1/sqrt(1 - x**2)", "1/cos(asin(x))", "sqrt(1 - x^2)/(1 - x^2)"]),
    ("l = tanh(x)", "x", [
        "1 - tanh(x)**2", "1/cosh(x)**2", "4/(exp(x) + exp(-x))**2", "(1 - tanh(x))*(1 + tanh(x))",
        "4*exp(2*x)/(exp(2*x) + 1)**2", "4*sigmoid(2*x)*(1 - sigmoid(2*x))",
    ]),
    ("l = sigmoid(x)", "x", [
        "sigmoid(x)*(1 - sigmoid(x))", "exp(-x)/(1 + exp(-x))**2", "sigmoid(x)*sigmoid(-x)",
        "1/(2 + exp(x) + exp(-x))", "1/(4*cosh(x/2)**2)", "(1 - tanh(x/2)**2)/4",
    ]),
    ("l = softplus(x)", "x", ["sigmoid(x)", "1/(1 + exp(-x))", "exp(x)/(1 + exp(x))", "(1 + tanh(x/2))/2"]),
    ("l = log(x*y)", "x", ["1/x", "y/(x*y)", "exp(-log(abs(x)))*sign(x)"]),
    ("l = log(x**3)", "x", ["3/x", "3*x**2/x**3", "3*x**-1", "exp(log(3) - log(x))"]),
    ("l = exp(2*x)", "x", ["2*exp(2*x)", "2*exp(x)**2", "2*exp(x)*exp(x)", "exp(2*x + log(2))"]),
    ("l = 2**x", "x", ["2**x*log(2)", "exp(x*log(2))*log(2)", "log(2**2**x)"]),
    ("l = x**x", "x", ["x**x*(1 + log(x))", "exp(x*log(x))*(log(x) + 1)"]),
    ("l = sqrt(x)", "x", ["1/(2*sqrt(x))", "sqrt(x)/(2*x)", "x**(-1/2)/2", "0.5*x**-0.5", "exp(-log(x)/2)/2"]),
    ("l = (x*w - y)**2", "w", ["2*x*(x*w - y)", "2*x**2*w - 2*x*y", "-2*x*(y - w*x)", "2x*(w*x-y)"]),
    ("l = (a + b)**3", "a", ["3*(a + b)**2", "3*a**2 + 6*a*b + 3*b**2", "3*(a**2 + b**2) + 6*b*a", "3*(-a - b)²"]),
    ("l = (a + b)/(a - c)", "a", ["-(b + c)/(a - c)**2", "1/(a - c) - (a + b)/(a - c)**2", "(-b - c)/(c - a)^2"]),
    ("l = a/b/c", "b", ["-a/(b**2*c)", "-(a/b/c)/b", "-a/b/b/c"]),
    ("l = x**4", "x", ["4*x**3", "(2*x)**3/2", "4*x*abs(x)**2", "4*sign(x)*abs(x)**3"]),
    ("l = abs(x)", "x", ["sign(x)", "x/abs(x)", "where(x > 0, 1, -1)", "x/sqrt(x**2)", "2*where(x > 0, 1, 0) - 1"]),
    ("l = relu(x)", "x", ["where(x > 0, 1, 0)", "step(x)", "(1 + sign(x))/2", "relu(x)/x", "where(0 >= x, 0, 1)"]),
    ("l = max(x, y)", "x", ["where(x > y, 1, 0)", "where(x >= y, 1, 0)", "(1 + sign(x - y))/2", "step(x - y)"]),
    ("l = relu(x**2 + 1)", "x", ["2*x"]),
    ("l = abs(exp(x))", "x", ["exp(x)", "abs(exp(x))"]),
    ("l = log(x) + abs(x)", "x", ["1/x + 1"]),
    ("l = where(abs(x) <= 1, x**2/2, abs(x) - 1/2)", "x", [
        "where(abs(x) <= 1, x, sign(x))", "max(-1, min(1, x))", "where(x > 1, 1, where(x < -1, -1, x))",
    ]),
    ("l = 0.1*w**3", "w", ["0.3*w**2", "3*0.1*w**2", "3*w**2/10"]),
    ("l = leaky_relu(x)*y", "x", [
        "y*leaky_relu(x)/x", "where(x > 0, y, 0.01*y)", "y*max(sign(x), 0) + 0.01*y*step(-x)",
    ]),
    ("l = hypot(x, y)", "x", ["x/sqrt(x**2 + y**2)", "x/hypot(y, x)", "cos(atan2(y, x))"]),
    ("l = lgamma(x)", "x", ["digamma(x)", "digamma(x + 1) - 1/x"]),
    ("l = gelu(x)", "x", [
        "(1 + erf(x/sqrt(2)))/2 + x*exp(-x**2/2)/sqrt(2*pi)", "gelu(x)/x + x*exp(-x²/2)/sqrt(2*pi)",
    ]),
    (SEED, "w", ["dl_dy_pred*dy_pred_dw", "dl_dy_pred*x", "2*x*(y_pred - y)", "dl_dw = 2*x*(y_pred - y)"]),
    (SHARED, "w", ["dl_dh*x*(1 - h**2)", "(2*(h - y) + 2*c*h)*x*(1 - h²)", "dl_dh*x/cosh(w*x)**2"]),
    (SHARED, "h", ["2*(h - y) + 2*c*h", "2*h*(1 + c) - 2*y"]),
    ("z = w*x + b; p = sigmoid(z); l = -(y*log(p) + (1 - y)*log(1 - p))", "w", [
        "(p - y)*x", "x*(sigmoid(w*x + b) - y)",
    ]),
    ("l = log(exp(a) + exp(b)) - b", "b", [
        "sigmoid(b - a) - 1", "-1/(1 + exp(b - a))", "exp(b)/(exp(a) + exp(b)) - 1",
    ]),
    (LINEAR, "w", [
        "2*X.T @ r/n", "2*r @ X/n", "(2/n)*(X.T @ (X @ w - y))", "2*sum(X*r[:, None], axis=0)/n", "dL_dr @ X",
        "dL_dw[i] = 2*r[k]*X[k,i]/n", "dL_dw[a] = 2/n*sum(X[k,a]*(sum(X[k,b]*w[b], b) - y[k]), k)",
        "2*(X.T @ X @ w - X.T @ y)/n", "transpose(X) @ (2*r)/n", "2*mean(X*r[:, None], axis=0)",
    ]),
    (NETWORK, "W2", [
        "outer(2*(z2 - y), a)", "2*(z2 - y)[:, None]*a", "2*outer(z2 - y, tanh(z1))",
        "dL_dW2[i,j] = 2*(z2[i] - y[i])*a[j]", "2*outer(a, z2 - y).T", "outer(dL_dz2, a)",
    ]),
    (NETWORK, "W1", [
        "outer((W2.T @ (2*(z2 - y)))*(1 - a**2), x)", "outer(dL_dz1, x)", "outer(dL_da/cosh(z1)**2, x)",
        "dL_dW1[i,j] = 2*(z2[k] - y[k])*W2[k,i]*(1 - a[i]**2)*x[j]", "outer(2*(z2 - y) @ W2 @ diag(1 - a**2), x)",
    ]),
    ("A: (n, n); x: (n,); L = dot(x, A @ x)", "x", [
        "(A + A.T) @ x", "A @ x + x @ A", "dL_dx[i] = (A[i,j] + A[j,i])*x[j]",
    ]),
    ("A: (n, n); L = trace(A @ A)", "A", ["2*A.T", "2*transpose(A)", "dL_dA[i,j] = 2*A[j,i]"]),
    ("A: (n, n); a: (n,); b: (n,); L = dot(a, inv(A) @ b)", "A", [
        "-inv(A).T @ outer(a, b) @ inv(A).T", "-outer(a @ inv(A), inv(A) @ b)",
    ]),
    ("x: (n,); s = softmax(x); L = sum(s**2)", "x", ["2*s*(s - sum(s**2))", "2*s**2 - 2*s*dot(s, s)"]),
    ("x: (n,); L = logsumexp(x)", "x", ["softmax(x)", "exp(x - L)", "exp(x)/sum(exp(x))"]),
    ("x: (n,); L = sum(2*x)", "x", ["2*ones_like(x)", "dL_dx[i] = 2"]),
    ("P: (n, c); t: (n,); L = -sum(log(P[i,t[i]]), i)/n", "P", ["dL_dP[i,j] = -where(j == t[i], 1, 0)/(n*P[i,j])"]),
    ("W: (k, d); x: (d,); y = tanh(W @ x)", "x", ["dy_dx[i,j] = (1 - y[i]**2)*W[i,j]", "diag(1 - y**2) @ W"]),
]  # fmt: skip
"""Spellings of the same derivative."""


@pytest.mark.parametrize(("source", "name", "answers"), REWRITINGS)
def test_rewriting(source: str, name: str, answers: list[str]) -> None:
    """Whatever equals the derivative is right."""
    judge = Judge(sg.derive(sg.read(source), name), name)
    for answer in answers:
        found = judge.judge(answer)
        assert found.passed, f"{answer}: {found.ruling} {found.reason} {found.at} {found.value} {found.reference}"


def test_rewritings_are_many() -> None:
    """Enough to mean something."""
    assert sum(len(answers) for *_, answers in REWRITINGS) >= 130


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_printed_derivatives_are_right_answers(model: Model) -> None:
    """What symgrad prints for tensors, in matrix and in index notation, is a right answer."""
    derivation = sg.derive(sg.read(model.text))
    for name in derivation.wrt[:2]:
        forms = TensorForms(sg.derive(derivation.primal, name))
        line = forms.answer(forms.lines[name])
        formula = add(*(part.formula for part in line.parts))
        matrix = forms.matrix(formula, line.index)
        judge = Judge(derivation, name)
        spelled = [f"{_left(judge, line.index)} = {TextPrinter().print(formula)}"]
        for answer in spelled + ([] if matrix is None else [TextPrinter().print(matrix)]):
            found = judge.judge(answer)
            assert found.passed, f"{answer}: {found.ruling} {found.reason}"


def _left(judge: Judge, index: tuple[object, ...]) -> str:
    return judge.adjoint + (f"[{','.join(map(str, index))}]" if index else "")


# wrong answers

WRONG: dict[str, int] = {}
"""How many wrong answers each case gave."""


@pytest.mark.parametrize("case", [case for case in CASES if not case.is_at_kink], ids=lambda case: case.name)
def test_no_mutation_passes(case: Case) -> None:
    """A wrong answer is never right, and the point shown refutes it by mpmath; a right one is not refused."""
    derivation = case.derive()
    forms = Forms(derivation)
    WRONG[case.name] = 0
    for name in derivation.wrt[:2]:
        worked = forms.worked[name]
        right = forms.closed(worked)
        if right is None or forms.names_adjoint(worked):
            continue
        judge, truth = Judge(derivation, name), Truth(derivation, name)
        assert judge.judge(TextPrinter().print(right)).passed
        slips = {slip.formula: slip for slip in mutations(right) if slip.formula != right}
        for slip in sample(list(slips.values()), 6):
            answer = TextPrinter().print(slip.formula)
            found = judge.judge(answer)
            if found.ruling == "no":
                assert found.at is not None
                assert truth.refutes_at(slip.formula, found.at), f"{name}: {answer} at {found.at}"
                WRONG[case.name] += 1
            else:
                wrong = truth.refutes(slip.formula)
                assert not (wrong and found.passed), f"false yes, {name}: {answer} ({slip.kind})"
                assert wrong or found.passed, f"undecided, {name}: {answer} ({slip.kind})"


TENSOR_WRONG: dict[str, int] = {}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_no_mutation_on_tensors_passes(model: Model) -> None:
    """The same for tensors, beside a naive evaluation in loops."""
    derivation = sg.derive(sg.read(model.text))
    TENSOR_WRONG[model.name] = 0
    for name in derivation.wrt[:2]:
        focused = sg.derive(derivation.primal, name)
        line = TensorForms(focused).lines[name]
        right = add(*(part.formula for part in line.parts))
        judge, truth = Judge(derivation, name), TensorTruth(model, focused, name)
        slips = {slip.formula: slip for slip in mutations(right) if slip.formula != right}
        for slip in sample(list(slips.values()), 4):
            answer = f"{_left(judge, line.index)} = {TextPrinter().print(slip.formula)}"
            try:
                found = judge.judge(answer)
            except sg.SymgradError:
                continue  # a slip that the grammar refuses
            wrong = truth.refutes(found.body, found.index)
            assert not (wrong and found.ruling != "no"), f"{name}: {answer} ({slip.kind})"
            TENSOR_WRONG[model.name] += found.ruling == "no"


def test_mutations_were_many() -> None:
    """Of all the wrong answers above there were five hundred at least."""
    if len(WRONG) > 50:
        assert sum(WRONG.values()) >= 500
    if len(TENSOR_WRONG) > 30:
        assert sum(TENSOR_WRONG.values()) >= 150
