"""The style of derivations, on pages of any theme and in LaTeX documents of any class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SHEET = "symgrad.css"
PACKAGE = "symgrad.sty"

_PLACED = """\
.symgrad.derivation { margin: 1.2em 0; }
figure.symgrad.derivation { text-align: left; max-width: 100%; padding: 0; }
.symgrad.derivation > figcaption { margin: 0 0 0.4em; text-align: left; }
.symgrad.derivation > figcaption > p { margin: 0; text-align: left; font-size: inherit; }
.symgrad.derivation > figcaption .caption-number { font-weight: 600; padding-right: 0.4em; }
.symgrad .heading { font-weight: 600; margin: 0.7em 0 0.1em; }
.symgrad .picture { margin: 0.8em 0; }
.symgrad .verdict { margin-top: 0.5em; }
.symgrad .verdict.passed p::before { content: "\\2713\\2002"; }
.symgrad .verdict.failed p::before { content: "\\2717\\2002"; }
.symgrad div.math { margin: 0; }
.symgrad.symgrad table, .symgrad.symgrad table :is(th, td) { border-width: 0; }
.symgrad.symgrad .numbers :is(th, td) { border-bottom-width: 1px; }
span.symgrad { line-height: inherit; }
@media (max-width: 40rem) {
  .symgrad .picture svg.symgrad-graph { max-width: none; }
  .symgrad .note { min-width: 0; padding-left: 0.8em; }
}
"""


def sheet() -> str:
    """The rules of the renderers, and what a page of somebody else's needs beside them."""
    from symgrad.renderers import page, svg_style
    from symgrad.renderers.svg_style import DARK, LIGHT

    pairs = "".join(f" --{name}: light-dark({LIGHT[name]}, {DARK[name]});" for name in LIGHT)
    scheme = f"""\
[data-theme="dark"] .symgrad {{ color-scheme: dark; }}
@supports (color: light-dark(red, red)) {{
.symgrad.symgrad {{ --good: light-dark(#14804a, #5fd08c); --bad: light-dark(#c22f2f, #ff8a80); }}
.symgrad .symgrad-graph.symgrad-graph {{{pairs} }}
}}
@media print {{ .symgrad.symgrad {{ color-scheme: light; }} .symgrad .scroll {{ overflow: visible; }} }}
"""
    return page.STYLE + svg_style.STYLE.lstrip() + _PLACED + scheme


def install(app: Any) -> None:
    """Write the style of this builder's format where Sphinx takes its files from."""
    folder = Path(app.doctreedir) / "symgrad-style"
    match app.builder.format:
        case "html":
            _write(folder / SHEET, sheet())
            app.config.html_static_path = [*app.config.html_static_path, str(folder)]
        case "latex":
            from symgrad.sphinxext.latex_style import STYLE

            _write(folder / PACKAGE, STYLE)
            app.config.latex_additional_files = [*app.config.latex_additional_files, str(folder / PACKAGE)]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def add_to_page(app: Any, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Only pages with a derivation load the sheet."""
    from symgrad.sphinxext.nodes import is_ours

    del pagename, templatename, context
    if doctree is not None and any(True for _ in doctree.findall(is_ours)):
        app.add_css_file(SHEET)
