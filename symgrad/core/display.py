"""How data shows itself in a notebook: the package's face says how, so that the data need not look upwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Bundle = Callable[[Any], dict[str, str]]
"""From a result to its text by MIME type."""

_bundles: list[Bundle] = []


def show_with(bundle: Bundle) -> None:
    """Make `bundle` what results show themselves with."""
    _bundles[:] = [bundle]


def bundle_of(result: object) -> dict[str, str]:
    """The texts a notebook may choose from."""
    return _bundles[0](result) if _bundles else {"text/plain": repr(result)}
