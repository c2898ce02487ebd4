"""Renderers print what symgrad knows; they decide nothing about it."""

from __future__ import annotations

from collections.abc import Mapping

from symgrad.core.derivation import Derivation
from symgrad.core.names import suggestion
from symgrad.core.results import Evaluation
from symgrad.errors import RenderError
from symgrad.renderers.json import to_json
from symgrad.renderers.latex import LatexRenderer
from symgrad.renderers.narrate import DETAILS, NOTATIONS, Detail, Notation, narrate
from symgrad.renderers.text import TextRenderer, UnicodeRenderer

__all__ = ["FORMATS", "render"]

_RENDERERS = {"text": TextRenderer, "unicode": UnicodeRenderer, "latex": LatexRenderer}

FORMATS = (*_RENDERERS, "json")
"""The formats `render` knows."""


def render(
    subject: Derivation,
    format: str = "text",
    *,
    evaluation: Evaluation | None = None,
    detail: Detail = "steps",
    notation: Notation = "auto",
    names: Mapping[str, str] | None = None,
) -> str:
    r"""Print a derivation.

    Args:
        subject: the derivation.
        format: `text` (every right-hand side reads back), `unicode`, `latex` or `json` (lossless).
        evaluation: its numbers at a point, from `compile(derivation)(point)`, to stand beside every line.
        detail: `answer`, `chain` or `steps`.
        notation: `auto`, `partial` (∂ throughout) or `total` (d for totals, ∂ for local partials).
        names: how to print a name, in LaTeX: `{"y_pred": r"\hat{y}"}`. Text and JSON keep the names that read back.

    Returns:
        The text, without a newline at its end; the same bytes on every run.

    Raises:
        RenderError: if an option is unknown, or the notation would give one name two meanings.
    """
    for option, value, known in (("format", format, FORMATS), ("detail", detail, DETAILS), ("notation", notation, NOTATIONS)):
        if value not in known:
            hint = suggestion(str(value), known) or f" It is one of {', '.join(known)}."
            raise RenderError(f"unknown {option} {value!r}.{hint}")
    for name in names or {}:
        subject.primal[name]
    if format == "json":
        return to_json(subject, evaluation)
    return _RENDERERS[format](names).render(narrate(subject, evaluation, detail, notation))
