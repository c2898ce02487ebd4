"""Renderers print what symgrad knows; they decide nothing about it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from symgrad.core.derivation import Derivation
from symgrad.core.memory import uncollected
from symgrad.core.names import suggestion
from symgrad.core.results import Evaluation, Verification
from symgrad.errors import RenderError
from symgrad.renderers.document import Document
from symgrad.renderers.json import to_json
from symgrad.renderers.latex import LatexRenderer
from symgrad.renderers.narrate import DETAILS, Detail, narrate
from symgrad.renderers.narrate_tensors import STYLES, Style, narrate_tensors
from symgrad.renderers.quantities import NOTATIONS, Notation
from symgrad.renderers.text import TextRenderer, UnicodeRenderer
from symgrad.renderers.verdicts import narrate_verification, verification_to_json

__all__ = ["FORMATS", "render", "render_document"]

_RENDERERS: Mapping[str, type[TextRenderer | UnicodeRenderer | LatexRenderer]] = {
    "text": TextRenderer,
    "unicode": UnicodeRenderer,
    "latex": LatexRenderer,
}

FORMATS = (*_RENDERERS, "json")
"""The formats `render` knows."""


@uncollected
def render(
    subject: Derivation | Verification,
    format: str = "text",
    *,
    evaluation: Evaluation | None = None,
    detail: Detail = "steps",
    notation: Notation = "auto",
    names: Mapping[str, str] | None = None,
    tensors: Style = "auto",
) -> str:
    r"""Print a derivation or a verification.

    Args:
        subject: what to print.
        format: `text` (every right-hand side reads back), `unicode`, `latex` or `json` (lossless).
        evaluation: its numbers at a point, from `compile(derivation)(point)`, to stand beside every line.
        detail: `answer`, `chain` or `steps`.
        notation: `auto`, `partial` (∂ throughout) or `total` (d for totals, ∂ for local partials).
        names: how to print a name, in LaTeX: `{"y_pred": r"\hat{y}"}`. Text and JSON keep the names that read back.
        tensors: `auto` (matrix notation where it is usual) or `index` (index notation throughout).

    Returns:
        The text, without a newline at its end; the same bytes on every run.

    Raises:
        RenderError: if an option is unknown, or the notation would give one name two meanings.
    """
    for option, value, known in (
        ("format", format, FORMATS),
        ("detail", detail, DETAILS),
        ("notation", notation, NOTATIONS),
        ("notation for tensors", tensors, STYLES),
    ):
        if value not in known:
            hint = suggestion(str(value), known) or f" It is one of {', '.join(known)}."
            raise RenderError(f"unknown {option} {value!r}.{hint}")
    primal = subject.primal if isinstance(subject, Derivation) else subject.derivation.primal
    for name in names or {}:
        primal[name]
    if format == "json":
        return to_json(subject, evaluation) if isinstance(subject, Derivation) else verification_to_json(subject)
    if isinstance(subject, Derivation) and primal.has_tensors:
        document = narrate_tensors(subject, evaluation, detail, notation, tensors)
    elif isinstance(subject, Derivation):
        document = narrate(subject, evaluation, detail, notation)
    else:
        document = narrate_verification(subject)
    return render_document(document, format, names, [node.name for node in primal.nodes])


def render_document(
    document: Document, format: str, names: Mapping[str, str] | None = None, known: Collection[str] = ()
) -> str:
    """Print a document that is narrated already, in any format but JSON; `known` are the names of all nodes."""
    return _RENDERERS[format](names, known).render(document)
