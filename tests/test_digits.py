"""The second verdict: how far a program is from the truth, told apart from whether it follows its formula."""

from __future__ import annotations

import json
import math
from typing import Any

import mpmath
import numpy
import pytest
from tensor_models import BY_NAME, derived, point_of

import symgrad as sg

SATURATED = ("a = tanh(x)\nl = (a - y)**2", {"x": 9.0, "y": 0.2})


def truths(verification: sg.Verification) -> dict[tuple[str, str, str], sg.Verdict]:
    """The verdicts of the certified referee, by whose number, of and by what."""
    return {(v.judged, v.of, v.by): v for p in verification.verdicts for v in p if v.referee == "truth"}


def test_a_formula_that_loses_digits_is_told_and_passes() -> None:
    """1 - tanh(x)**2 at 9 has lost most of its digits in both programs; that is the formula's doing."""
    text, at = SATURATED
    derivation = sg.derive(sg.read(text), "x")
    verification = sg.verify(derivation, at, certify=True)
    found = truths(verification)
    assert verification.passed
    with mpmath.workdps(50):
        slope = float(mpmath.sech(9) ** 2)
    for judged in ("symgrad", "autograd"):
        verdict = found[judged, "a", "x"]
        assert verdict.reference == pytest.approx(slope, rel=1e-15)
        assert verdict.ulps > 1e5
        assert found[judged, "l", "a"].ulps <= 2


def test_it_is_told_on_request_alone() -> None:
    """Without `certify` nothing is certified, and the table has no column for it."""
    text, at = SATURATED
    derivation = sg.derive(sg.read(text), "x")
    assert not truths(sg.verify(derivation, at))
    assert "from truth" not in sg.render(sg.verify(derivation, at))
    told = sg.render(sg.verify(derivation, at, certify=True))
    assert "symgrad from truth   autograd from truth" in told
    kept = json.loads(sg.render(sg.verify(derivation, at, certify=True), "json"))
    assert {v["referee"] for v in kept["points"][0]["verdicts"]} >= {"truth", "autograd", "step"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["mlp_one_sample", "attention", "gaussian_nll", "batch_norm"])
def test_tensors_tell_their_entry_farthest_off(name: str, dtype: str) -> None:
    """Of each adjoint the entry farthest from the truth is told, and it is as far off as it says."""
    derivation = derived(name)
    at: dict[str, Any] = point_of(BY_NAME[name], derivation.primal)
    verification = sg.verify(derivation, at, dtype=dtype, certify=True)
    program = sg.compile(derivation, dtype=dtype)(verification.points[0])
    found = truths(verification)
    for leaf in derivation.wrt:
        verdict = found["symgrad", derivation.output, leaf]
        assert verdict.passed
        assert verdict.entries == numpy.size(program.gradient[leaf])
        assert verdict.value == float(numpy.asarray(program.gradient[leaf])[verdict.entry])
        unit = {"float32": 2.0**-24, "float64": 2.0**-53}[dtype] * abs(verdict.reference)
        off = abs(verdict.value - verdict.reference)
        assert math.isclose(verdict.ulps, off / unit, rel_tol=1.0, abs_tol=1.0)


def test_a_planted_error_shows() -> None:
    """A number that is off by one part in a million is that far from the truth."""
    derivation = sg.derive(sg.read("l = (x*w - y)**2"), "w")
    program = sg.compile(derivation)

    def tampered(at: Any) -> sg.Evaluation:
        found = program(at)
        slope = found.adjoints["w"] * (1 + 1e-6)
        return sg.Evaluation(**{**vars(found), "adjoints": {**found.adjoints, "w": slope}, "gradient": {"w": slope}})

    verification = sg.verify(derivation, {"x": 3.0, "w": 1.0, "y": 6.0}, program=tampered, certify=True)
    found = truths(verification)
    assert not verification.passed
    assert found["symgrad", "l", "w"].ulps > 1e9
    assert found["autograd", "l", "w"].ulps == 0
