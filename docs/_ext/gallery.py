"""`{examples}`: every bundled example, its derivation, verification and picture; a new one appears by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from symgrad.examples import ORDER, source, summary
from symgrad.sphinxext.cache import kept
from symgrad.sphinxext.directive import cache_folder
from symgrad.sphinxext.nodes import derivation, fill
from symgrad.sphinxext.request import Request
from symgrad.sphinxext.state import note
from symgrad.sphinxext.work import printed

if TYPE_CHECKING:
    from sphinx.application import Sphinx

TRAINED = {
    "seed": ("w",),
    "ridge": ("w",),
    "fork": ("w",),
    "logistic": ("w", "b"),
    "mlp": ("W1", "b1", "W2", "b2"),
    "softmax": ("W", "b"),
    "layernorm": ("X", "g", "s"),
    "attention": ("Q", "K", "V"),
    "gmm": ("M", "alpha"),
    "iris": ("W1", "b1", "W2", "b2"),
}
"""What is differentiated by; every leaf of an example that is not named here."""


class Examples(SphinxDirective):
    """One section an example."""

    def run(self) -> list[nodes.Node]:
        return [self.section(name) for name in ORDER]

    def section(self, name: str) -> nodes.section:
        """An example."""
        made = nodes.section(ids=[f"example-{name}"], names=[f"example {name}"])
        made += nodes.title("", name)
        told = summary(name)
        made += nodes.paragraph("", f"{told[0].upper()}{told[1:]}.")
        text = source(name).partition("\n")[2]
        made += nodes.literal_block(text, text.rstrip(), language="python")
        made += self.derived(Request(source(name), wrt=TRAINED.get(name, ()), verify="table", graph=True))
        self.state.document.note_explicit_target(made)
        return made

    def derived(self, request: Request) -> nodes.Node:
        """Its derivation, verified; a disagreement stops a strict build."""
        made = kept(cache_folder(self.env), "derivation", request, printed)
        for _, message in made.warnings:
            self.state.document.reporter.warning(message, line=self.lineno)
        note(self.env, failed=bool(made.warnings))
        node = derivation()
        fill(node, made, f"gallery-{self.env.new_serialno('gallery')}")
        node += nodes.literal_block(made.text, made.text, language="none")
        node += nodes.paragraph(made.described, made.described)
        return node


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("examples", Examples)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
