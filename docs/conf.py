"""Sphinx configuration of symgrad's own site."""

import sys
from pathlib import Path

from docutils import nodes

from symgrad import __version__

sys.path.insert(0, str(Path(__file__).parent / "_ext"))  # the directives of this site alone

project = "symgrad"
author = "The symgrad developers"
release = version = __version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.napoleon",
    "symgrad.sphinxext",
    "commands",
    "gallery",
    "notebooks",
    "our_names",
    "tables",
]
exclude_patterns = ["_build"]
nitpicky = True

myst_heading_anchors = 3
myst_enable_extensions = ["deflist"]

# the reference is made from the docstrings
default_role = "backticks"  # a name of ours in single backticks is a link, all else is code
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False
# types of others; no page of theirs is fetched
nitpick_ignore_regex = [(r"py:.*", r"(collections\.abc|matplotlib|pathlib|sympy)\..*|Axes|Expr|Figure|Path")]

html_theme = "furo"
html_title = f"symgrad {__version__}"
html_show_copyright = False
latex_engine = "lualatex"  # printouts are Unicode


def sessions_are_tests(_app: object, doctree: nodes.document) -> None:
    """Let `sphinx-build -b doctest` run the Python sessions."""
    for block in doctree.findall(nodes.literal_block):
        if block.get("language") == "pycon":
            block["testnodetype"] = "doctest"


def setup(app) -> None:
    app.connect("doctree-read", sessions_are_tests)
