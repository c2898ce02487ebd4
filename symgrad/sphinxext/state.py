"""What the environment remembers: with what each document was derived, and whether it was verified."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from docutils import nodes

from symgrad.sphinxext.cache import fingerprint
from symgrad.sphinxext.nodes import is_ours, numbered_derivation, uses_latex

FAILED = "failed"


def _stamps(env: Any) -> dict[str, str]:
    if not hasattr(env, "symgrad_stamps"):
        env.symgrad_stamps = {}
    stamps: dict[str, str] = env.symgrad_stamps
    return stamps


def note(env: Any, failed: bool) -> None:
    """A document holds a derivation; once one of them has failed, the document has."""
    stamps = _stamps(env)
    stamps[env.docname] = FAILED if failed or stamps.get(env.docname) == FAILED else fingerprint()


def outdated(app: Any, env: Any, added: set[str], changed: set[str], removed: set[str]) -> Sequence[str]:
    """The documents to read again: what failed, so that it fails again, and what another version derived."""
    del app, added, changed, removed
    return [name for name, stamp in sorted(_stamps(env).items()) if stamp != fingerprint()]


def purge(app: Any, env: Any, docname: str) -> None:
    """Forget a document."""
    del app
    _stamps(env).pop(docname, None)


def merge(app: Any, env: Any, docnames: Iterable[str], other: Any) -> None:
    """Take over what another process has read."""
    del app
    read = _stamps(other)
    _stamps(env).update({name: read[name] for name in docnames if name in read})


def complete(app: Any, doctree: nodes.document) -> None:
    """What Sphinx's own domains are to know of a document.

    The title of a labelled derivation without a caption, which Sphinx knows of numbered ones alone; and, where formulas
    are LaTeX, that there are some.
    """
    env = app.env
    ours = list(doctree.findall(is_ours))
    for node in ours:
        if not isinstance(node, numbered_derivation):
            for label in node["names"]:
                env.get_domain("std").labels[label] = env.docname, node["ids"][0], node["title"]
    if ours and uses_latex(app.config):
        env.get_domain("math").data.setdefault("has_equations", {})[env.docname] = True
