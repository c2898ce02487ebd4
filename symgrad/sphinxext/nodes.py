"""The nodes in a document tree, and how each builder writes them.

A node holds its own text as a child, which builders without a visitor of ours show: text, man, Texinfo and whatever
others there are.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.locale import _

from symgrad.sphinxext.request import Printed


class derivation(nodes.General, nodes.Element):  # noqa: N801  docutils writes nodes so
    """A derivation; its children are a caption, if there is one, and what it says in plain text."""


class numbered_derivation(derivation):  # noqa: N801
    """One with a caption, which Sphinx numbers."""


class derivative(nodes.Inline, nodes.TextElement):  # noqa: N801
    """A derivative in a sentence; its child is its plain text."""


def fill(node: nodes.Element, made: Printed, prefix: str) -> None:
    """Put what was printed into a node; the ids in its picture get a prefix, so that several fit on one page."""
    node["html"], node["pieces"], node["latex"], node["title"] = made.html, made.pieces, made.latex, made.title
    node["picture"], node["drawing"], node["described"] = made.picture, made.drawing, made.described
    for attribute in ("id", "data-from", "data-to"):
        node["picture"] = node["picture"].replace(f' {attribute}="node-', f' {attribute}="{prefix}-')


def title_of(node: nodes.Element) -> str:
    """What a reference without words of its own says."""
    caption = _caption(node)
    return caption.astext() if caption else str(node.get("title", ""))


def _caption(node: nodes.Element) -> nodes.caption | None:
    return next((child for child in node if isinstance(child, nodes.caption)), None)


def _walk(self: Any, node: nodes.Element) -> None:
    for child in node:
        child.walkabout(self)


# HTML


def uses_latex(config: Any) -> bool:
    """Whether a project's pages hold LaTeX for its own renderer of mathematics, not MathML."""
    if config.symgrad_math == "auto":
        chosen = config.html_math_renderer or ("mathjax" if "sphinx.ext.mathjax" in config.extensions else "")
        return bool(chosen == "mathjax")
    return bool(config.symgrad_math == "latex")


def visit_derivation_html(self: Any, node: nodes.Element) -> None:
    """The caption, the derivation, the picture."""
    caption = _caption(node)
    tag = "figure" if caption else "div"
    self.body.append(self.starttag(node, tag, CLASS="symgrad derivation"))
    if caption:
        self.body.append('<figcaption>\n<p class="caption">')
        self.add_fignumber(node)
        self.body.append('<span class="caption-text">')
        _walk(self, caption)
        self.body.append("</span>")
        self.add_permalink_ref(node, _("Link to this derivation"))
        self.body.append("</p>\n</figcaption>\n")
    _put(self, node)
    if node["picture"]:
        self.body.append(f'<div class="picture scroll">\n{node["picture"]}\n</div>\n')
    self.body.append(f"</{tag}>\n")
    raise nodes.SkipNode


def visit_derivative_html(self: Any, node: nodes.Element) -> None:
    """A formula."""
    self.body.append(self.starttag(node, "span", "", CLASS="symgrad derivative"))
    _put(self, node)
    self.body.append("</span>")
    raise nodes.SkipNode


def _put(self: Any, node: nodes.Element) -> None:
    if self.builder.name == "epub" or not uses_latex(self.builder.config):  # readers of books run no scripts
        self.body.append(node["html"])
        return
    for kind, text in node["pieces"]:
        if kind == "html":
            self.body.append(text)
        elif kind == "inline":
            nodes.math(text, text).walkabout(self)
        else:
            options = {"nowrap": True, "no-wrap": True, "number": None, "label": None}
            nodes.math_block(text, text, **options).walkabout(self)


# LaTeX


def visit_derivation_latex(self: Any, node: nodes.Element) -> None:
    """The caption with its number, the derivation."""
    latex = node["latex"]
    if self.table:  # it measures no cell with a display twice, and takes alignments in displays alone
        self.table.has_problematic = True
        for mine, theirs in ((r"\begin{align*}", r"\[\begin{aligned}"), (r"\end{align*}", r"\end{aligned}\]")):
            latex = latex.replace(mine, theirs)
    labels = self.hypertarget_to(node)
    caption = _caption(node)
    displayed = latex.startswith((r"\begin{align*}", r"\["))
    self.body.append("\n\\begin{symgradderivation}\n")
    if caption:
        self.body.append(f"\\symgradcaption{{{labels}}}{{{_number(self)}}}{{")
        _walk(self, caption)
        self.body.append("}%\n" if displayed else "}\n\n")
    else:
        self.body.append(f"{labels}%\n" if labels else "")
        self.body.append("\\symgraddisplayed\n" if displayed else "")
    self.body.append(latex)
    if node["described"]:
        from symgrad.renderers.latex_words import words  # which loads SymPy

        self.body.append(f"\n\\symgradpicture{{%\n{node['drawing'] or words(node['described'])}}}\n")
    self.body.append("\n\\end{symgradderivation}\n")
    raise nodes.SkipNode


def _number(self: Any) -> str:
    r"""`Derivation \thesymgradderivation`, as the project says it."""
    text: str = self.encode(self.config.numfig_format["derivation"])
    for place in (r"\%s", r"\{number\}"):
        text = text.replace(place, r"\thesymgradderivation{}")
    return text.replace(r"\{name\}", "").strip()


def visit_derivative_latex(self: Any, node: nodes.Element) -> None:
    """A formula."""
    self.body.append(rf"\({node['latex']}\)")
    raise nodes.SkipNode


# all others


def plain_for_others(app: Any, doctree: nodes.document, docname: str) -> None:
    """Put the children of each node in its place; the first takes over its label."""
    del docname
    if app.builder.format in ("html", "latex"):
        return
    for node in list(doctree.findall(is_ours)):
        children = [_plain(child) for child in node.children]
        if isinstance(children[0], nodes.Element):
            children[0]["ids"] += node["ids"]
        node.replace_self(children)


def _plain(child: nodes.Node) -> nodes.Node:
    return nodes.paragraph(child.rawsource, "", *child.children) if isinstance(child, nodes.caption) else child


def is_ours(node: nodes.Node) -> bool:
    """Whether it is one of these nodes."""
    return isinstance(node, (derivation, derivative))


BLOCK: dict[str, Any] = {"html": (visit_derivation_html, None), "latex": (visit_derivation_latex, None)}
INLINE: dict[str, Any] = {"html": (visit_derivative_html, None), "latex": (visit_derivative_latex, None)}
"""The visitors by format."""
