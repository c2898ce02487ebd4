"""The bundled sources, by name."""

from __future__ import annotations

from importlib import resources

ORDER = ("seed", "ridge", "fork", "logistic", "mlp", "softmax", "layernorm", "attention", "gmm", "iris")
"""In order of difficulty."""


def source(name: str) -> str:
    """The text of a bundled example.

    Raises:
        KeyError: if there is none of that name.
    """
    if name not in ORDER:
        raise KeyError(name)
    return resources.files(__name__).joinpath(f"{name}.sg").read_text(encoding="utf-8")


def summary(name: str) -> str:
    """What an example shows: its first comment."""
    return source(name).partition("\n")[0].lstrip("# ")
