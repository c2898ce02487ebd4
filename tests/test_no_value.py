"""Where a loss has no finite value it has no derivative: what `verify` says there, in every output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

import symgrad as sg
from symgrad.cli import run
from symgrad.core.results import Evaluation

CASES = [
    # the derivative 1/x has a value where log has none
    ("l = log(x)", {"x": -1.0}, "undecided", "the value of l is nan: log(x) is nan where x = -1"),
    ("l = log(x)", {"x": 0.0}, "undecided", "the value of l is -inf: log(x) is -inf where x = 0"),
    ("a = log(x); l = a*y", {"x": -1.0, "y": 2.0}, "undecided", "the value of a is nan: log(x) is nan where x = -1"),
    ("l = sqrt(x)", {"x": -1.0}, "undecided", "the value of l is nan"),
    ("l = exp(x)", {"x": 1000.0}, "undecided", "the value of l is inf: exp(x) is inf where x = 1000"),
    ("x: (n,); l = sum(log(x))", {"x": [1.0, -1.0]}, "undecided", "log(x[i]) is nan where x[1] = -1"),
    ("x: (n,); l = log(x)", {"x": [1.0, -1.0]}, "undecided", "the value of l[1] is nan"),
    # a value on the way is not finite, but the loss is: that is said, and the derivative is judged
    ("a = log(x); l = where(x > 0, a, x)", {"x": -1.0}, "yes", "the value of a is nan: log(x) is nan where x = -1"),
    # the branch that is not taken has no value of its own
    ("l = where(x > 0, log(x), x)", {"x": -1.0}, "yes", ""),
    # the loss has a value, and both programs say that the derivative is infinite
    ("l = sqrt(x)", {"x": 0.0}, "yes", "both are inf; in symgrad and autograd, the contribution of l to x is inf"),
    # the loss has a value, and neither program has a derivative
    ("l = hypot(x, y)", {"x": 0.0, "y": 0.0}, "undecided", "NOT JUDGED  both are nan"),
    (
        "x: (n,); y: (n,); l = sum(hypot(x, y))",
        {"x": [3.0, 0.0], "y": [4.0, 0.0]},
        "undecided",
        "nan in 1 of 2 entries",
    ),
]


@pytest.mark.parametrize(("source", "at", "ruling", "words"), CASES)
def test_a_loss_without_a_value_is_not_verified(source: str, at: Mapping[str, object], ruling: str, words: str) -> None:
    """Two programs that agree on the formula of a derivative prove nothing where the loss has no value."""
    verification = sg.verify(sg.derive(sg.read(source)), at)
    assert (verification.ruling, verification.passed) == (ruling, ruling == "yes")
    assert not verification.failures
    text = sg.render(verification, "text")
    assert words in text
    assert ("no derivative to verify" in text or "nan beside nan verifies nothing" in text) == (ruling == "undecided")
    assert json.loads(sg.render(verification, "json"))["ruling"] == ruling


def test_points_without_a_value_are_counted() -> None:
    """Among several points those without a value are told by number, and a NaN never hides behind a finite number."""
    derivation = sg.derive(sg.read("a = log(x); l = a*y"), ["x", "y"])
    verification = sg.verify(derivation, [{"x": x, "y": 1.0} for x in (1.0, -1.0, 2.0, 0.0)])
    text = sg.render(verification, "text")
    assert "at point 2, in symgrad and autograd, the value of a is nan" in text
    assert "at point 4, in symgrad and autograd, the value of a is -inf" in text
    assert "l has no finite value at 2 of 4 points" in text
    assert "3 of 4 agree" in text


def test_a_wrong_number_is_worse_than_none() -> None:
    """One wrong derivative makes the answer no, whatever cannot be judged beside it."""
    derivation = sg.derive(sg.read("l = log(x)"))
    right = sg.compile(derivation)

    def wrong(point: Mapping[str, object]) -> Evaluation:
        found = right(point)
        return replace(found, gradient={"x": -1.5}, adjoints={**found.adjoints, "x": -1.5})

    verification = sg.verify(derivation, [{"x": -1.0}, {"x": 1.0}], program=wrong)
    assert verification.undecided
    assert verification.ruling == "no"


def test_a_program_that_makes_up_a_value_fails() -> None:
    """A finite number where torch has none, or the other way round, is a failure by name."""
    derivation = sg.derive(sg.read("l = log(x)"))
    right = sg.compile(derivation)({"x": -1.0})
    faulty = replace(right, value=0.0, nodes={**right.nodes, "l": 0.0})
    failures = sg.verify(derivation, {"x": -1.0}, program=lambda _: faulty).failures
    assert [(v.kind, v.by, v.note.partition(";")[0]) for v in failures] == [
        ("value", "l", "only one of the two is nan")
    ]


def test_exit_codes_and_outputs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command line exits with 3, that is cannot decide, and so does a report, which says undecided."""
    assert run(["verify", "l = log(x)", "--at", "x=-1"]) == 3
    assert "l has no finite value there, and so no derivative to verify" in capsys.readouterr().out
    assert run(["verify", "l = log(x)", "--data", "x=1,-1"]) == 3
    assert run(["verify", "l = log(x)", "--at", "x=1"]) == 0
    page = tmp_path / "r.html"
    assert run(["report", "l = log(x)", "--at", "x=-1", "-o", str(page)]) == 3
    assert "the verification is undecided" in capsys.readouterr().out
    assert '<span class="failed">undecided</span>' in page.read_text()
    mine = tmp_path / "mine.py"
    mine.write_text("def slope(x):\n    return 0.0\n")
    assert run(["verify", "l = sqrt(x**2)", "--at", "x=0", "--against", f"{mine}:slope"]) == 3
    assert run(["verify", "l = sqrt(x**2)", "--at", "x=1", "--against", f"{mine}:slope"]) == 1


def test_a_page_with_a_loss_without_a_value_is_told(tmp_path: Path) -> None:
    """In Sphinx it is a warning, which stops a build that asks for none."""
    pytest.importorskip("sphinx", reason="needs Sphinx (pip install symgrad[sphinx])")
    from sphinx_builds import TITLE, build, write

    page = TITLE + ".. derivation::\n   :verify:\n   :at: x=-1\n\n   l = log(x)\n"
    built = build(write(tmp_path, {"index.rst": page}))
    assert "not verified. 1 of 1 agree" in built.warnings
    assert "l has no finite value there" in built.warnings
