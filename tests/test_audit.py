"""The audit of torch's derivatives finds what is known, and its classes bite."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from functools import cache
from pathlib import Path

import numpy
import pytest
import torch

from symgrad.audit import autograd, examine
from symgrad.audit.certify import Certified, certified
from symgrad.audit.judge import Judge
from symgrad.audit.rows import Op, kink, unary
from symgrad.audit.survey import conventions_of
from symgrad.audit.table import OPS, selected
from symgrad.cli import run
from symgrad.core.findings import CLASSES, Audit, Finding
from symgrad.errors import DataError, RenderError
from symgrad.renderers.audit import audit_to

ROOT = Path(__file__).parent.parent
KINKS = Path(__file__).parent / "golden" / "audit" / "kinks.txt"
AUDITED_WITH = "2.13.0"
MENDED = (
    f"torch {torch.__version__} answers otherwise than torch {AUDITED_WITH}, for which this was written: if torch has"
    " mended it, take the finding out of the tests and run `symgrad audit -f markdown -o docs/audit.md`"
)


@cache
def exact(op_title: str) -> Certified:
    """The first derivatives of a row."""
    return certified(next(op for op in OPS if op.title == op_title))


@cache
def audited(name: str, dtype: str) -> Audit:
    """An audit of one operation."""
    return examine([name], [dtype])


def finding(name: str, argument: str, dtype: str) -> Finding:
    """One entry of it."""
    return next(f for f in audited(name, dtype).findings if f.argument == argument and f.op == name)


# what is known of torch 2.13


@pytest.mark.parametrize("name", ["exp", "sin", "mul", "cos", "atan", "sub", "sqrt", "mse_loss"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_clean_operations_stay_clean(name: str, dtype: str) -> None:
    """An operation whose derivative torch computes well is right at every point."""
    for found in audited(name, dtype).findings:
        assert found.verdict == "right", found
        assert found.judged > 250
        assert found.worst is not None
        assert found.worst.ulps <= 4


def test_hardsigmoid_in_float64() -> None:
    """A float32 constant inside: 0.16666667163 at every interior point."""
    found = finding("hardsigmoid", "x", "float64")
    assert found.verdict == "wrong", MENDED
    assert found.worst is not None
    assert (found.worst.torch, found.worst.certified) == (0.1666666716337204, 1 / 6), MENDED
    assert finding("hardsigmoid", "x", "float32").verdict == "right"


def test_sinc_in_float32() -> None:
    """At 1e-4 torch's derivative is -9.26e-4, and the true one -3.29e-4."""
    assert finding("sinc", "x", "float32").verdict == "wrong", MENDED
    at = float(numpy.float32(1e-4))
    truth = exact("sinc")
    assert truth.value(truth.entries[0][1], [at]) == pytest.approx(-3.2898681e-4, rel=1e-7)
    given = autograd.derivatives(truth.op, numpy.array([[at] * 64]), "float32")[("x",)][0]
    assert given == pytest.approx(-9.26e-4, rel=1e-3), MENDED


def test_soft_margin_loss_overflows() -> None:
    """NaN for logits of -89 and less, where the truth is -1."""
    found = finding("soft_margin_loss", "input", "float32")
    assert found.verdict == "non-finite", MENDED
    points = numpy.array([[-89.0] * 8, [1.0] * 8])
    op = exact("soft_margin_loss").op
    assert numpy.isnan(autograd.derivatives(op, points, "float32")[("input",)]).all(), MENDED
    assert found.worst is not None
    assert found.worst.certified == -1


def test_binary_cross_entropy_at_one() -> None:
    """At input 1 and target 1 torch gives 0 for -1."""
    kinks = audited("binary_cross_entropy", "float64").conventions
    there = next(k for k in kinks if dict(k.at) == {"input": 1.0, "target": 1.0})
    assert there.rule == "continuity"
    assert there.minimum_norm == (-1.0, -100.0)
    assert there.torch[0] == 0, MENDED
    assert finding("binary_cross_entropy", "input", "float64").verdict == "wrong", MENDED


def test_hypot_at_zero() -> None:
    """NaN at (0, 0), where hypot is convex and its shortest subgradient is (0, 0)."""
    there = audited("hypot", "float64").conventions[0]
    assert (there.rule, there.minimum_norm) == ("convex", (0.0, 0.0))
    assert all(math.isnan(number) for number in there.torch), MENDED
    assert dict(finding("hypot", "input", "float64").counts)["non-finite"] >= 1, MENDED


def test_trigamma_in_float64() -> None:
    """The derivative of digamma is off by millions of units in the last place at ordinary points."""
    found = finding("digamma", "x", "float64")
    assert CLASSES.index(found.verdict) >= CLASSES.index("lossy"), MENDED
    assert dict(found.counts)["lossy"] > 50, MENDED
    truth = exact("digamma")
    given = autograd.derivatives(truth.op, numpy.array([[0.5] * 8]), "float64")[("x",)][0]
    judge = Judge(truth, truth.entries[0][1], "float64")
    assert judge.verdict([0.5], given, math.pi**2 / 2) == "lossy", MENDED
    assert 1e6 < judge.ulps(given, math.pi**2 / 2) < 1e7, MENDED


def test_gelu_in_its_left_tail() -> None:
    """1 + erf cancels: far left only relative precision is lost, and torch reaches it long before the truth."""
    for dtype in ("float32", "float64"):
        found = finding("gelu", "x", dtype)
        assert found.verdict == "tail loss", MENDED
        assert found.worst is not None
        assert found.worst.at[0][1] < -3
        assert abs(found.worst.certified) < 0.1


# a fault is found


def faults() -> list[tuple[str, Op]]:
    """Rows whose formula is wrong, so that a right torch must be reported."""
    return [
        ("a sign", unary("sin", "-sin(x)")),
        ("a factor", unary("exp", "2*exp(x)")),
        ("a constant cut to float32", unary("rad2deg", "x*57.295780181884766")),
        ("another function", unary("cos", "sin(x)")),
        ("a factor x", unary("square", "x**3/3")),
        ("a missing term", unary("tanh", "tanh(x) + x/1000000")),
        ("a swapped branch", unary("nn.functional.relu", "min(x, 0)", kinks=kink(0.0))),
    ]


@pytest.mark.parametrize(("name", "op"), faults(), ids=[name for name, _ in faults()])
def test_a_wrong_formula_is_reported_wrong(name: str, op: Op) -> None:
    """Where formula and torch disagree the entry is wrong, at ordinary points."""
    found = examine(dtypes=["float64"], ops=[op]).findings[0]
    assert found.verdict == "wrong"
    assert found.worst is not None
    assert found.worst.ordinary


def test_a_wrong_argument_is_found() -> None:
    """Arguments in the wrong order are wrong by each argument."""
    div = selected(["div"])[0]
    turned = dataclasses.replace(div, formula="other/input")
    assert [f.verdict for f in examine(dtypes=["float64"], ops=[turned]).findings] == ["wrong", "wrong"]


def test_a_wrong_kink_is_found() -> None:
    """A row whose branches meet elsewhere than torch's is wrong between; a missing kink is not taken for one."""
    shifted = unary("nn.functional.hardtanh", "min(max(x, -1), 1.25)", kinks=kink(-1.0, 1.25))
    assert examine(dtypes=["float64"], ops=[shifted]).findings[0].verdict == "wrong"


CLASSED = [
    ("right", [2.0], 1.0 + 4 * 2.0**-52, 1.0),
    ("tail loss", [2.0], 1e-9 + 8e-16, 1e-9),
    ("lossy", [2.0], 1.0 + 5 * 2.0**-52, 1.0),
    ("lossy", [2.0], 0.75 + 4 * 2.0**-52, 0.75),
    ("tail loss", [2.0], 0.5 + 4 * 2.0**-52, 0.5),
    ("lossy", [2.0], 0.5 + 5 * 2.0**-52, 0.5),
    ("lossy", [2.0], 1.0 + 2.0**-27, 1.0),
    ("wrong", [2.0], 1.0 + 2.0**-26, 1.0),
    ("wrong", [2.0], -1.0, 1.0),
    ("wrong", [2.0], 0.0, 1.0),
    ("non-finite", [2.0], math.nan, 1.0),
    ("non-finite", [2.0], -math.inf, 1.0),
]


@pytest.mark.parametrize(("expected", "at", "given", "truth"), CLASSED)
def test_thresholds(expected: str, at: list[float], given: float, truth: float) -> None:
    """The classes part where the documentation of `judge` says; the derivative here is constant in its argument."""
    op = unary("mul", f"{truth!r}*x")
    row = certified(op)
    assert Judge(row, row.entries[0][1], "float64").verdict(at, given, truth) == expected


def test_conditioned_means_explained_by_the_argument() -> None:
    """Near a zero of the cosine a few units of the argument explain much, but not everything, and not elsewhere."""
    row = exact("sin")
    judge = Judge(row, row.entries[0][1], "float64")
    at = [math.pi / 2]
    truth = row.value(row.entries[0][1], at)
    assert truth is not None
    assert judge.verdict(at, truth - 3 * 2.0**-52, truth) == "conditioned"
    assert judge.verdict(at, truth - 2.0**-40, truth) == "wrong"
    assert judge.verdict([1.0], math.cos(1) + 2.0**-40, math.cos(1)) == "lossy"


# kinks


def kink_lines() -> str:
    """Every kink in float64: torch's answer, the shortest subgradient, and whether it departs."""
    lines = []
    for op in OPS:
        for found in conventions_of(certified(op), "float64"):
            at = ", ".join(f"{name}={value:g}" for name, value in found.at)
            numbers = [
                "(" + ", ".join(f"{v + 0.0:.9g}" for v in row) + ")" for row in (found.torch, found.minimum_norm)
            ]
            word = "no rule" if found.rule == "singular" else "departs" if found.departs else "agrees"
            subgradient = "a subgradient" if found.is_subgradient else "no subgradient"
            lines.append(" | ".join([found.op, at, *numbers, found.rule, word, subgradient]))
    return "\n".join(lines) + "\n"


def test_conventions(request: pytest.FixtureRequest) -> None:
    """The conventions at every kink are those that were read and approved."""
    actual = kink_lines()
    if request.config.getoption("--update-golden"):
        KINKS.parent.mkdir(exist_ok=True)
        KINKS.write_text(actual, encoding="utf-8")
    expected = KINKS.read_text(encoding="utf-8")
    changed = [line for line in actual.splitlines() if line not in expected.splitlines()]
    assert actual == expected, f"{MENDED}; the golden file by `pytest --update-golden`. New: {changed}"


def test_ties_follow_several_conventions() -> None:
    """At a tie torch halves, or gives all to the first or to the last: three answers for one function."""
    answers = {}
    for name in ("maximum", "fmax", "amax", "max", "cummax"):
        found = audited(name, "float64").conventions[0]
        answers[name] = found.torch
        assert found.minimum_norm == (0.5, 0.5)
        assert found.departs == (found.torch != (0.5, 0.5))
    expected = {"maximum": (0.5, 0.5), "amax": (0.5, 0.5), "fmax": (1, 0), "max": (1, 0), "cummax": (0, 1)}
    assert answers == expected, MENDED


def test_a_kink_is_no_fault() -> None:
    """Another subgradient than the shortest is a convention: selu takes its left derivative at 0."""
    found = finding("selu", "x", "float64")
    assert found.verdict == "convention", MENDED
    assert found.worst is not None
    assert found.worst.at == (("x", 0.0),)


# second order


def test_second_order() -> None:
    """Second derivatives, mixed ones too; what torch lacks is said."""
    audit = examine(["hardsigmoid", "exp", "mul", "sinc"], ["float64"], order=2)
    found = {(f.op, f.argument): f.verdict for f in audit.findings}
    assert found["exp", "x,x"] == "right"
    assert found["mul", "input,other"] == found["mul", "input,input"] == "right"
    assert found["sinc", "x,x"] == "wrong", MENDED
    assert [op for op, _ in audit.absent] == ["hardsigmoid"], MENDED
    assert "hardsigmoid: torch has no derivative of order 2" in audit_to(audit, "text")


# the command


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`symgrad audit hardsigmoid sinc exp --dtype float64` names the wrong one, with both values, and exits 1."""
    assert run(["audit", "hardsigmoid", "sinc", "exp", "--dtype", "float64"]) == 1, MENDED
    captured = capsys.readouterr()
    line = next(line for line in captured.out.splitlines() if line.startswith("hardsigmoid"))
    for word in ("float64", "wrong", "0.1666666716337204", "0.16666666666666666", "1.79e+08"):
        assert word in line.split(), MENDED
    assert "float64: 3 entries: 1 right, 2 wrong" in captured.out, MENDED
    assert captured.err == ""


def test_a_clean_audit_exits_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing wrong, nothing non-finite: 0. A name may be written with its module, or be an alias."""
    assert run(["audit", "torch.exp", "F.relu", "arctan", "special.gammaln", "--dtype", "float32"]) == 0
    ops = {
        line.split()[0] for line in capsys.readouterr().out.splitlines() if "float32" in line and "entries" not in line
    }
    assert ops == {"exp", "relu", "atan", "lgamma"}


def test_an_unknown_operation_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelled operation is refused with a suggestion; exit code 2."""
    assert run(["audit", "hardsigmod"]) == 2
    assert "'hardsigmod'. Did you mean 'hardsigmoid'?" in capsys.readouterr().err
    with pytest.raises(DataError, match="without names"):
        selected(["qqqq"])


def test_json(tmp_path: Path) -> None:
    """JSON holds every digit, every class and every convention; not-a-number is a string."""
    file = tmp_path / "audit.json"
    assert run(["audit", "hypot", "--dtype", "float64", "-o", str(file)]) == 1
    whole = json.loads(file.read_text())
    assert whole["passed"] is False
    assert {f["argument"] for f in whole["findings"]} == {"input", "other"}
    assert whole["conventions"][0]["torch"] == ["nan", "nan"]
    assert sum(whole["findings"][0]["counts"].values()) > 500
    assert whole["referee"].startswith("torch ")


def test_formats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Markdown by the suffix; an unknown suffix or format is refused."""
    file = tmp_path / "audit.md"
    assert run(["audit", "abs", "selu", "--dtype", "float32", "-o", str(file)]) == 0
    page = file.read_text()
    assert "| selu | x=0 | 1.7580993 | 1.050701 | concave | departs; a subgradient |" in page
    assert "| abs | `abs(x)` |  |" in page
    assert run(["audit", "abs", "-o", str(tmp_path / "audit.doc")]) == 2
    assert "cannot tell a format" in capsys.readouterr().err
    with pytest.raises(RenderError, match="unknown format"):
        audit_to(audited("abs", "float64"), "html")


def test_the_same_on_every_run() -> None:
    """Two audits print the same bytes."""
    names = ["softplus", "hypot", "digamma"]
    assert audit_to(examine(names, ["float32"]), "json") == audit_to(examine(names, ["float32"]), "json")


def test_progress_is_told() -> None:
    """Each operation is announced, with how many are done."""
    told: list[tuple[str, int, int]] = []
    examine(["exp", "sin"], ["float64"], progress=lambda *words: told.append(words))
    assert told == [("exp", 0, 2), ("sin", 1, 2), ("", 2, 2)]


# the page


def test_the_page_is_current() -> None:
    """docs/audit.md names this torch, every row's closed form, and the classes that an audit of a sample gives."""
    page = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
    how = "run `symgrad audit -f markdown -o docs/audit.md`"
    assert autograd.VERSION in page, how
    for op in OPS:
        assert f"| {op.title} | `{op.formula}` | {op.note} |" in page, how
    sample = ["sinc", "hardsigmoid", "selu", "soft_margin_loss", "digamma", "tanh", "add", "exp"]
    classes = re.compile(r"^\| ([^|]+) \| ([^|]+) \| (float\d\d) \| ([a-z -]+) \|", re.MULTILINE)
    listed = {(op, by, dtype): kind for op, by, dtype, kind in classes.findall(page)}
    for found in examine(sample).findings:
        key = (found.op, found.argument, found.dtype)
        expected = None if found.verdict in ("right", "convention") else found.verdict
        assert listed.get(key) == expected, how
