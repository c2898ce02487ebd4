"""Notebooks as pages, with the outputs they store; tests/test_notebook.py holds those true.

myst-nb does this too, with forty packages for kernels that nothing here needs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from docutils import nodes
from myst_parser.parsers.sphinx_ import MystParser
from sphinx.util.docutils import SphinxDirective

from symgrad.sphinxext.nodes import derivation, fill
from symgrad.sphinxext.request import Printed

if TYPE_CHECKING:
    from sphinx.application import Sphinx

PLACE = "outputs of the notebook"


class NotebookParser(MystParser):
    """Reads a notebook as the Markdown of its cells, with a directive where a cell has shown something."""

    supported = ("ipynb",)

    def parse(self, inputstring: str, document: nodes.document) -> None:
        shown = document.settings.env.temp_data.setdefault(PLACE, [])
        super().parse("\n\n".join(told(json.loads(inputstring)["cells"], shown)), document)


def told(cells: list[dict[str, Any]], shown: list[dict[str, str]]) -> Iterator[str]:
    """The Markdown of each cell; the outputs of code cells are put into `shown`."""
    for cell in cells:
        source = "".join(cell["source"])
        yield f"```python\n{source}\n```" if cell["cell_type"] == "code" else source
        for output in cell.get("outputs", ()):
            yield f"```{{output}} {len(shown)}\n```"
            data = output.get("data", {"text/plain": output.get("text", "")})
            shown.append({kind: "".join(text) for kind, text in data.items()})


class Output(SphinxDirective):
    """What a cell has shown: HTML or LaTeX where the builder writes it, plain text elsewhere."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        number = self.arguments[0]
        bundle = self.env.temp_data[PLACE][int(number)]
        text = bundle["text/plain"].rstrip("\n")
        plain = nodes.literal_block(text, text, language="none")
        html = bundle.get("text/html", "").replace('="node-', f'="output-{number}-')  # each id once on a page
        if "image/png" in bundle:
            html = (
                f'<img alt="A plot, made by the cell above." src="data:image/png;base64,{bundle["image/png"].strip()}">'
            )
        if not html:
            return [plain]
        latex = bundle.get("text/latex") or f"\\begin{{verbatim}}\n{text}\n\\end{{verbatim}}"
        node = derivation("", plain)
        fill(node, Printed(html, (("html", html),), latex, text, ""), "output")
        return [node]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_source_suffix(".ipynb", "ipynb")
    app.add_source_parser(NotebookParser)
    app.add_directive("output", Output)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
