"""Sphinx extension: the `derivation` directive and the `derivative` role.

In conf.py, `extensions = ["symgrad.sphinxext"]`. Nothing but Sphinx and docutils is loaded until a document holds a
derivation, torch not before one is verified.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from symgrad import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    """Register everything with Sphinx."""
    from sphinx.config import ENUM

    from symgrad.sphinxext import assets, nodes, state
    from symgrad.sphinxext.directive import DerivationDirective, DerivativeRole

    app.add_config_value("symgrad_math", "auto", "env", ENUM("auto", "mathml", "latex"))
    app.add_node(nodes.derivation, **nodes.BLOCK)
    app.add_enumerable_node(nodes.numbered_derivation, "derivation", nodes.title_of, **nodes.BLOCK)
    app.add_node(nodes.derivative, **nodes.INLINE)
    app.add_latex_package("symgrad", after_hyperref=True)
    app.add_directive("derivation", DerivationDirective)
    app.add_role("derivative", DerivativeRole())
    app.connect("config-inited", _configure)
    app.connect("builder-inited", assets.install)
    app.connect("doctree-read", state.complete)
    app.connect("doctree-resolved", nodes.plain_for_others)
    app.connect("html-page-context", assets.add_to_page)
    app.connect("env-get-outdated", state.outdated)
    app.connect("env-purge-doc", state.purge)
    app.connect("env-merge-info", state.merge)
    return {"version": __version__, "env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}


def _configure(app: Any, config: Any) -> None:
    """How a numbered derivation is called, unless the project says."""
    del app
    config.numfig_format.setdefault("derivation", "Derivation %s")
