"""The Sphinx extension: what each builder shows."""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="needs Sphinx (pip install symgrad[sphinx])")

from sound_pages import assert_sound
from sphinx_builds import CELL, EVERYTHING, SEED, TITLE, blocks, build, command, words_of, write

import symgrad as sg

MYST = """\
# Page

```{derivation}
:wrt: w
:at: x=3, y=6, w=1
:verify:
:graph:
:label: seed
:name: y_pred=\\hat{y}

y_pred = x*w
l = (y_pred - y)**2
```

In a line: {derivative}`dl/dw of (x*w - y)**2`. See {ref}`seed`.
"""


# what is shown


@pytest.mark.parametrize(
    "builder",
    [
        "html",
        "dirhtml",
        "singlehtml",
        "epub",
        "latex",
        "text",
        "man",
        "texinfo",
        "xml",
        "pseudoxml",
        "gettext",
        "dummy",
    ],
)
def test_every_builder_takes_everything(tmp_path: Path, builder: str) -> None:
    """Each builder writes a page with everything on it, under `-n -W`."""
    built = build(write(tmp_path, {"index.rst": EVERYTHING}), builder, numfig=True, version="1", copyright="Nobody")
    assert (built.warnings, built.failed) == ("", False)


@pytest.mark.parametrize("builder", ["html", "latex", "text", "man"])
def test_myst(tmp_path: Path, builder: str) -> None:
    """The same in MyST."""
    pytest.importorskip("myst_parser")
    built = build(write(tmp_path, {"index.md": MYST}), builder)
    assert (built.warnings, built.failed) == ("", False)


def test_the_smallest_project(tmp_path: Path) -> None:
    """One line of conf.py and five of a directive show a verified derivation with its picture."""
    folder = write(tmp_path, {"index.rst": TITLE + SEED})
    done = command(folder, "html")
    assert (done.stderr, done.returncode) == ("", 0)
    page = (folder / "_out/html/index.html").read_text(encoding="utf-8")
    (block,) = blocks(page)
    assert "Verified: 3 of 3 agree (torch" in block
    assert "= −18" in block
    picture = ET.fromstring(block[block.index("<svg") : block.index("</svg>") + 6])
    text = "".join(picture.itertext())
    assert {"∂l/∂w = −18", "= 9", "−6"} <= {"".join(part.itertext()).strip() for part in picture.iter()}
    assert "Computational graph of l" in text
    assert re.search(r'href="_static/symgrad.css\?v=\w+"', page)
    assert (folder / "_out/html/_static/symgrad.css").exists()


def test_text(tmp_path: Path) -> None:
    """Plain text is what a terminal shows; the picture is told in words, the role in one line."""
    built = build(write(tmp_path, {"index.rst": EVERYTHING}))
    page = built.page("index.txt")
    derivation = sg.derive(sg.read("y_pred = x*w; l = (y_pred - y)**2"), ["w"])
    shown = sg.render(derivation, "unicode", evaluation=sg.compile(derivation)({"x": 3.0, "y": 6.0, "w": 1.0}))
    assert "\n".join(f"   {line}".rstrip() for line in shown.splitlines()) in page
    assert "Computational graph of l: x (input): value 3;" in page
    assert "In a line: ∂l/∂w = 2x(xw − y)." in page
    assert "The derivatives of L by W1 and b1" in " ".join(page.split()), "the reference to what has no caption"
    assert "∂L/∂W_1" in page, "a name given in LaTeX"


@pytest.mark.parametrize("builder", ["man", "texinfo"])
def test_plain_builders_show_the_plain_text(tmp_path: Path, builder: str) -> None:
    """What has no formulas gets the terminal's."""
    built = build(write(tmp_path, {"index.rst": TITLE + SEED}), builder)
    (page,) = [p for p in built.folder.iterdir() if p.suffix in (".1", ".texi")]
    assert "∂l/∂w = ∂l/∂y_pred · ∂y_pred/∂w" in page.read_text(encoding="utf-8")


def test_html_is_sound(tmp_path: Path) -> None:
    """Every derivation of a page is valid XML with alternatives everywhere, and no two share an id."""
    built = build(write(tmp_path, {"index.rst": EVERYTHING}), "html")
    found = blocks(built.page("index.html"))
    assert len(found) == 4
    whole = re.sub(r'<a class="headerlink"[^>]*>[^<]*</a>', "", f"<div>{''.join(found)}</div>")
    root = assert_sound(whole.replace("\N{PILCROW SIGN}", ""))
    assert len(list(root.iter("{http://www.w3.org/2000/svg}svg"))) == 3
    assert not [part for part in root.iter() if part.tag in ("h1", "h2", "h3", "section")], (
        "the page's outline is its own"
    )


def test_two_pages_in_one_share_no_id(tmp_path: Path) -> None:
    """The pictures of several documents on one page have ids of their own."""
    pages = {"index.rst": f"{TITLE}.. toctree::\n\n   other\n\n{SEED}", "other.rst": f"{TITLE}{SEED}"}
    page = build(write(tmp_path, pages), "singlehtml").page("index.html")
    ids = re.findall(r'<g id="([^"]*)" class="node', page)
    assert len(ids) == len(set(ids)) == 10


def test_no_address_is_emitted(tmp_path: Path) -> None:
    """A page with MathML asks nobody for anything."""
    page = build(write(tmp_path, {"index.rst": EVERYTHING}), "html", html_theme="basic").page("index.html")
    addresses = set(re.findall(r"https?://[^\s\"'<>]*", page))
    assert not [a for a in addresses if "sphinx-doc.org" not in a and "www.w3.org" not in a]
    style = (tmp_path / "_build/html/_static/symgrad.css").read_text(encoding="utf-8")
    assert not re.search(r"https?:|url\(|@import", style)


@pytest.mark.parametrize(
    ("options", "latex"),
    [
        ({}, False),
        ({"extensions": ["symgrad.sphinxext", "sphinx.ext.mathjax"]}, True),
        ({"html_math_renderer": "mathjax"}, True),
        ({"extensions": ["symgrad.sphinxext", "sphinx.ext.mathjax"], "symgrad_math": "mathml"}, False),
        ({"symgrad_math": "latex"}, True),
    ],
)
def test_mathematics_is_what_the_project_uses(tmp_path: Path, options: dict[str, object], latex: bool) -> None:
    """MathML, unless the project has chosen MathJax, or says so; MathJax is loaded where it is needed alone."""
    pages = {"index.rst": f"{EVERYTHING}\n.. toctree::\n\n   other", "other.rst": "Other\n=====\n"}
    built = build(write(tmp_path, pages), "html", **options)
    page = built.page("index.html")
    assert ("<math" in page) is not latex
    assert ('<div class="math notranslate nohighlight">\n\\begin{align*}' in page) is latex
    assert (r"\(\frac{\partial l}{\partial w} = 2 \, x \left(x \, w - y\right)\)" in page) is latex
    assert ("mathjax" in page) is latex
    assert "mathjax" not in built.page("other.html").replace("sphinx.ext.mathjax", "")


def test_references(tmp_path: Path) -> None:
    """A label is a target of `ref` by its caption or its title, and of `numref` by its number."""
    page = build(write(tmp_path, {"index.rst": EVERYTHING}), "html", numfig=True).page("index.html")
    assert '<figure class="symgrad derivation" id="seed">' in page
    assert re.search(r'href="#seed"><span class="std std-ref">The lecture’s loss</span>', page)
    assert re.search(r'href="#seed"><span class="std std-numref">Derivation 1</span>', page)
    assert re.search(r'href="#network"><span class="std std-ref">The derivatives of L by W1 and b1</span>', page)
    assert re.search(r'href="#network"><span class="std std-ref">here</span>', page)
    assert '<span class="caption-number">Derivation 1 </span>' in page
    assert '<div class="wide symgrad derivation" id="network">' in page


def test_a_worksheet_gives_nothing_away(tmp_path: Path) -> None:
    """On a worksheet neither the picture nor the verification shows an answer."""
    sheet = SEED.replace(":verify:", ":verify: table\n   :blanks:")
    page = build(write(tmp_path, {"index.rst": TITLE + sheet}), "html").page("index.html")
    (block,) = blocks(page)
    assert "Verified: 3 of 3 agree" in block
    assert 'class="blank' in block
    answers = {"−18", "−6", "∂y_pred/∂w = x"}
    assert not [answer for answer in answers if answer in words_of(block)]
    (block,) = blocks(build(write(tmp_path, {"index.rst": TITLE + SEED}), "html").page("index.html"))
    assert [answer for answer in answers if answer in words_of(block)] == list(answers), "all are there otherwise"


def test_random_points_where_none_is_given(tmp_path: Path) -> None:
    """Without a point, the verification is at random ones, and says so."""
    page = build(write(tmp_path, {"index.rst": TITLE + SEED.replace("   :at: x=3, y=6, w=1\n", "")}))
    assert "Verified at 5 random points: 3 of 3 agree" in page.page("index.txt")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex (Debian: texlive-latex-extra)")
def test_latex_compiles(tmp_path: Path) -> None:
    """The LaTeX of a page with everything on it compiles without an error."""
    format = {"derivation": "Step_%s"}
    built = build(write(tmp_path, {"index.rst": EVERYTHING}), "latex", numfig=True, numfig_format=format)
    (source,) = built.folder.glob("*.tex")
    text = source.read_text(encoding="utf-8")
    assert r"\usepackage{symgrad}" in text
    assert text.count(r"\symgraddrawing{") == 3
    assert r"{Step\_\thesymgradderivation{}}" in text
    assert_compiles(built.folder)


def test_in_a_table_a_number_is_counted_once(tmp_path: Path) -> None:
    """Sphinx's table that sets its cells twice is not taken where a derivation counts its captions."""
    built = build(write(tmp_path, {"index.rst": CELL}), "latex", numfig=True)
    (source,) = built.folder.glob("*.tex")
    text = source.read_text(encoding="utf-8")
    assert r"\symgradcaption" in text
    assert r"\begin{tabulary}" not in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex (Debian: texlive-latex-extra)")
def test_latex_compiles_in_a_table(tmp_path: Path) -> None:
    """A derivation in a cell of a table compiles: there LaTeX takes no `align*`."""
    assert_compiles(build(write(tmp_path, {"index.rst": CELL}), "latex", numfig=True).folder)


def assert_compiles(folder: Path) -> None:
    """One LaTeX document in a folder compiles without an error."""
    (source,) = folder.glob("*.tex")
    options = ["-draftmode", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", source.name]
    done = subprocess.run(["pdflatex", *options], cwd=folder, capture_output=True, check=False, timeout=180)
    log = done.stdout.decode("latin-1")
    assert ([line for line in log.splitlines() if line.startswith("!")], done.returncode) == ([], 0)


def test_the_style_of_the_renderers_is_the_style_sheets(tmp_path: Path) -> None:
    """The sheet holds the renderers' own rules, and follows the page's scheme rather than the system's."""
    built = build(write(tmp_path, {"index.rst": TITLE + SEED}), "html")
    from symgrad.renderers import page, svg_style

    sheet = built.page("_static/symgrad.css")
    assert page.STYLE in sheet
    assert svg_style.STYLE.strip() in sheet
    assert "light-dark(#1f2328, #e6edf3)" in sheet
    assert "<style" not in "".join(blocks(built.page("index.html"))), "it stands in the sheet alone"
