"""Rows of the losses of `torch.nn.functional`, entry by entry (`reduction="none"`).

Closed forms are those of torch's documentation, with its thresholds, clamps and eps.
"""

from __future__ import annotations

from typing import Any

from symgrad.audit.rows import POSITIVE, REAL, SIGNS, UNIT, Kink, Op, Span

_TWO = {"input": REAL, "target": REAL}
_TIE = (Kink(((1.0, 1.0), (-2.0, -2.0)), zero="input - target"),)
_MODERATE = Span(reach=1e4)


def _loss(name: str, formula: str, spans: dict[str, Span], **more: Any) -> Op:
    options = {**more.pop("options", {}), "reduction": "none"}
    return Op(f"nn.functional.{name}", formula, spans, options=options, **more)


def _bend(width: float) -> tuple[Kink, ...]:
    """Where the quadratic part of a robust loss meets its linear part; the derivative is continuous there."""
    return (Kink(((width, 0.0), (1.0 - width, 1.0)), zero=f"abs(input - target) - {width}"),)


ROWS = (
    _loss("mse_loss", "(input - target)**2", _TWO),
    _loss("l1_loss", "abs(input - target)", _TWO, kinks=_TIE),
    _loss(
        "smooth_l1_loss",
        "where(abs(input - target) < 1, (input - target)**2/2, abs(input - target) - 0.5)",
        _TWO,
        kinks=_bend(1.0),
    ),
    _loss(
        "smooth_l1_loss",
        "where(abs(input - target) < 0.25, (input - target)**2/0.5, abs(input - target) - 0.125)",
        _TWO,
        options={"beta": 0.25},
        kinks=_bend(0.25),
    ),
    _loss(
        "huber_loss",
        "where(abs(input - target) <= 1, (input - target)**2/2, abs(input - target) - 0.5)",
        _TWO,
        kinks=_bend(1.0),
    ),
    _loss(
        "huber_loss",
        "where(abs(input - target) <= 2, (input - target)**2/2, 2*(abs(input - target) - 1))",
        _TWO,
        options={"delta": 2.0},
        kinks=_bend(2.0),
    ),
    _loss(
        "binary_cross_entropy",
        "-(target*max(log(input), -100) + (1 - target)*max(log1p(-input), -100))",
        {"input": UNIT, "target": UNIT},
        kinks=(Kink(((1.0, 1.0), (0.0, 0.0), (1.0, 0.5), (0.0, 0.5)), zero="input*(1 - input)"),),
        note="documented: each logarithm is at least -100",
    ),
    _loss(
        "binary_cross_entropy_with_logits",
        "(1 - target)*input + softplus(-input)",
        {"input": REAL, "target": UNIT},
    ),
    _loss("soft_margin_loss", "softplus(-target*input)", {"input": REAL, "target": SIGNS}, wrt=("input",)),
    _loss(
        "hinge_embedding_loss",
        "where(target > 0, input, relu(1 - input))",
        {"input": REAL, "target": SIGNS},
        wrt=("input",),
        kinks=(Kink(((1.0, -1.0),), zero="input - 1"),),
    ),
    _loss(
        "margin_ranking_loss",
        "relu(-target*(input1 - input2) + 0.5)",
        {"input1": REAL, "input2": REAL, "target": SIGNS},
        wrt=("input1", "input2"),
        options={"margin": 0.5},
        kinks=(Kink(((1.5, 1.0, 1.0), (1.0, 1.5, -1.0)), zero="-target*(input1 - input2) + 0.5"),),
    ),
    _loss("kl_div", "target*(log(target) - input)", {"input": REAL, "target": POSITIVE}),
    _loss(
        "kl_div",
        "exp(target)*(target - input)",
        {"input": REAL, "target": _MODERATE},
        options={"log_target": True},
    ),
    _loss("poisson_nll_loss", "exp(input) - target*input", {"input": _MODERATE, "target": POSITIVE}),
    _loss(
        "poisson_nll_loss",
        "input - target*log(input + 1e-8)",
        {"input": POSITIVE, "target": POSITIVE},
        options={"log_input": False},
        note="documented: eps 1e-8 inside the logarithm",
    ),
    _loss(
        "poisson_nll_loss",
        "exp(input) - target*input + where(target > 1, target*log(target) - target + log(2*pi*target)/2, 0*target)",
        {"input": _MODERATE, "target": POSITIVE},
        options={"full": True},
        kinks=(Kink(((0.5, 1.0),), zero="target - 1", jump=True),),
        note="documented: Stirling's term for targets above 1",
    ),
    _loss(
        "gaussian_nll_loss",
        "(log(var_) + (input - target)**2/var_)/2",
        {"input": REAL, "target": REAL, "var_": Span(low=2e-6)},
        note="documented: variances below eps = 1e-6 are clamped, which the gradient does not see; tried above it",
    ),
)
