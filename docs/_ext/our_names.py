"""Names in docstrings: single backticks link to what is documented, and types are found by their last name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.util.docutils import SphinxRole

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment


class Backticks(SphinxRole):
    """Text in single backticks, its backslashes kept: a link where a documented name is meant, and code elsewhere."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        text = self.rawtext.strip("`")
        code = nodes.literal(self.rawtext, text)
        if not text.replace(".", "_").isidentifier():
            return [code], []
        context = {f"py:{part}": self.env.ref_context.get(f"py:{part}") for part in ("module", "class")}
        link = pending_xref(self.rawtext, refdomain="py", reftype="obj", reftarget=text, optional=True, **context)
        link += code
        return [link], []


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element) -> nodes.Element | None:
    """A type such as `Value`, which an annotation names without its module; what is optional stays code."""
    if node.get("optional"):
        return content
    if node.get("refdomain") != "py" or not node["reftarget"].isidentifier():
        return None
    node["refspecific"] = True
    python, page = env.domains.python_domain, node["refdoc"]
    return python.resolve_xref(env, page, app.builder, "obj", node["reftarget"], node, content)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_role("backticks", Backticks())
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
