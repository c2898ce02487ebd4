"""What a page about something is called, and the names that occur on it."""

from __future__ import annotations

from symgrad.core.derivation import Derivation
from symgrad.core.graph import Graph
from symgrad.core.results import Run, Verification

LISTED = 4
"""As many names stand in a title; more are counted."""


def title_of(subject: Graph | Derivation | Verification | Run) -> str:
    """A title in plain words."""
    match subject:
        case Derivation():
            return f"The {'derivative' if len(subject.wrt) == 1 else 'derivatives'} of {_what(subject)}"
        case Verification():
            return f"Verification of the gradient of {_what(subject.derivation)}"
        case Run():
            return "Training run"
        case Graph():
            return f"Definition of {' and '.join(subject.outputs)}"


def _what(derivation: Derivation) -> str:
    names = derivation.wrt
    if len(names) > LISTED:
        return f"{derivation.output} by {len(names)} names"
    by = " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    return f"{derivation.output} by {by}"


def names_in(subject: Graph | Derivation | Verification | Run) -> list[str]:
    """The names of all nodes, which no two may be printed alike."""
    match subject:
        case Graph():
            return [node.name for node in subject.nodes]
        case Run():
            return list(subject.parameters)
        case Derivation():
            return names_in(subject.primal)
        case Verification():
            return names_in(subject.derivation.primal)
