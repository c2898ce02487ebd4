"""symgrad shows the work of a gradient, and proves it.

    >>> import symgrad as sg
    >>> graph = sg.read("y_pred = x*w; l = (y_pred - y)**2")
    >>> derivation = sg.derive(graph, wrt=["w"])
    >>> print(sg.render(derivation, "text"))
    Given   y_pred = x*w
            l      = (y_pred - y)**2
    Path    w -> y_pred -> l
    <BLANKLINE>
    dl_dw = dl_dy_pred * dy_pred_dw
      dl_dy_pred = 2*(y_pred - y)      power rule
      dy_pred_dw = x                   constant multiple
    dl_dw = 2*(y_pred - y) * x
          = 2*x*(x*w - y)

Names are loaded when they are first used, so that `symgrad --help` needs no SymPy and `import symgrad` no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from symgrad.core.display import show_with

__version__ = "0.1.0"

if TYPE_CHECKING:
    from symgrad.answers import check as check
    from symgrad.backends import compile as compile
    from symgrad.calculus import derive as derive
    from symgrad.calculus import hessian as hessian
    from symgrad.calculus import hvp as hvp
    from symgrad.checks import verify as verify
    from symgrad.core.derivation import Derivation as Derivation
    from symgrad.core.graph import Graph as Graph
    from symgrad.core.graph import Node as Node
    from symgrad.core.results import Evaluation as Evaluation
    from symgrad.core.results import Run as Run
    from symgrad.core.results import Verdict as Verdict
    from symgrad.core.results import Verification as Verification
    from symgrad.errors import SymgradError as SymgradError
    from symgrad.foreign import verify_function as verify_function
    from symgrad.readers import read as read
    from symgrad.readers import read_file as read_file
    from symgrad.renderers import render as render
    from symgrad.training import train as train

_HOMES = {
    "Derivation": "symgrad.core.derivation",
    "Evaluation": "symgrad.core.results",
    "Graph": "symgrad.core.graph",
    "Node": "symgrad.core.graph",
    "Run": "symgrad.core.results",
    "SymgradError": "symgrad.errors",
    "Verdict": "symgrad.core.results",
    "Verification": "symgrad.core.results",
    "check": "symgrad.answers",
    "compile": "symgrad.backends",
    "derive": "symgrad.calculus",
    "hessian": "symgrad.calculus",
    "hvp": "symgrad.calculus",
    "read": "symgrad.readers",
    "read_file": "symgrad.readers",
    "render": "symgrad.renderers",
    "train": "symgrad.training",
    "verify": "symgrad.checks",
    "verify_function": "symgrad.foreign",
}

__all__ = [  # noqa: RUF022  the story's order
    "read",
    "read_file",
    "derive",
    "hessian",
    "hvp",
    "render",
    "compile",
    "verify",
    "verify_function",
    "check",
    "train",
    "Derivation",
    "Evaluation",
    "Graph",
    "Node",
    "Run",
    "SymgradError",
    "Verdict",
    "Verification",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'symgrad' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def _in_notebook(result: Any) -> dict[str, str]:
    from symgrad.renderers.notebook import bundle

    return bundle(result)


show_with(_in_notebook)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
