"""Sphinx configuration."""

from symgrad import __version__

project = "symgrad"
author = "The symgrad developers"
release = version = __version__
extensions = ["myst_parser"]
html_theme = "furo"
html_title = f"symgrad {__version__}"
exclude_patterns = ["_build"]
myst_heading_anchors = 3
