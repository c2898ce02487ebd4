"""The Sphinx extension: where errors stand, and that nothing of an author gets through as markup."""

from __future__ import annotations

import io
import re
import sys
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import numpy
import pytest

pytest.importorskip("sphinx", reason="needs Sphinx (pip install symgrad[sphinx])")

from sphinx_builds import SEED, TITLE, build, write

import symgrad as sg
from symgrad.renderers.document import Convention, Heading, Name, Remark, Table
from symgrad.renderers.latex_words import words
from symgrad.sphinxext.mathjax import MathjaxRenderer
from symgrad.sphinxext.request import latex_names

WRONG = {
    "y_pred = x*w\nl = sigmod(y_pred)  # HERE": "unknown function 'sigmod'. Did you mean 'sigmoid'?",
    "# first\n\nl = 2**(  # HERE\nm = 3": "this '(' is never closed",
    "l = <script>alert(1)</script>  # HERE": "expected an operator, a name or a number here",
    "l = 9**9**9**9  # HERE": "",
    "l = \\input{x}  # HERE": "",
}


@pytest.mark.parametrize("form", ["rst", "nested", "md", "quoted"])
def test_an_error_stands_at_its_line(tmp_path: Path, form: str) -> None:
    """Wrong definitions are an error at the line of the document that holds them."""
    page, name = document(form, ":wrt: w", *WRONG)
    built = build(write(tmp_path, {name: page}))
    lines = [number for number, text in enumerate(page.splitlines(), 1) if "HERE" in text]
    errors = re.findall(rf"{name}:(\d+): ERROR: derivation: (.*)", built.warnings)
    assert [int(line) for line, _ in errors] == lines
    for (_, told), said in zip(errors, WRONG.values(), strict=True):
        assert said in told
    assert built.failed


def document(form: str, options: str, *contents: str) -> tuple[str, str]:
    """A page with a directive for each content, and its name."""
    myst = form in ("md", "quoted")
    if myst:
        pytest.importorskip("myst_parser")
    title = "# Page\n\ntext\n\n" if myst else f"{TITLE}text\n\n"
    page = title + "\n".join(directive(form, options, content) for content in contents)
    return page, "index.md" if myst else "index.rst"


def directive(form: str, options: str, content: str) -> str:
    """A directive in one of four forms."""
    inside = "\n".join([*options.splitlines(), "", *content.splitlines()])
    fence = f"```{{derivation}}\n{inside}\n```\n"
    block = ".. derivation::\n" + "".join(f"   {line}".rstrip() + "\n" for line in inside.splitlines())
    match form:
        case "md":
            return fence
        case "quoted":
            return "> * item\n>\n" + "".join(f">   {line}\n" for line in fence.splitlines())
        case "nested":
            return "* item\n\n" + "".join(f"  {line}".rstrip() + "\n" for line in block.splitlines())
        case _:
            return block


OPTIONS = {
    ":wrt: q": "cannot differentiate by 'q'",
    ":at: w=[1,2": "that is never closed",
    ":at: w=two": "'two' is not a number",
    ":at: q=1": "'q'",
    ":name: w=\\input{/etc/passwd}": "\\input is no part of a name",
    ":name: q=z": "'q'",
    ":highlight: q": "'q'",
    ":highlight: u": "no path leads from 'u' to 'l'",
    ":file: nothing.sg": "either here or in a :file:",
}


def zipped(content: bytes) -> bytes:
    """An archive of one file that is no array."""
    with zipfile.ZipFile(written := io.BytesIO(), "w") as archive:
        archive.writestr("x.txt", content)
    return written.getvalue()


def stored(**arrays: object) -> bytes:
    """What `numpy.savez` writes."""
    numpy.savez_compressed(written := io.BytesIO(), **arrays)  # type: ignore[arg-type]
    return written.getvalue()


ARRAYS = {
    "nothing": (b"", "is no .npz file; numpy.savez writes one"),
    "words": (b"hello", "is no .npz file"),
    "cut": (stored(x=[1.0, 2.0])[:80], "is no .npz file"),
    "garbled": ((whole := stored(x=numpy.arange(1e3)))[:90] + b"\xff" * 40 + whole[130:], "cannot read"),
    "text": (zipped(b"1, 2"), "'x.txt' in it is no array"),
    "objects": (stored(x=numpy.array([None])), "Object arrays cannot be loaded"),
    "strings": (stored(x=["a", "b"]), "the value of 'x' is no array of numbers"),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_a_file_that_holds_no_arrays_is_an_error(tmp_path: Path, name: str) -> None:
    """Whatever a file of arrays holds instead, the error names it and stands at the option."""
    content, said = ARRAYS[name]
    page = f"{TITLE}.. derivation::\n   :at: point.npz\n\n   x: (2,)\n   L = sum(x**2)\n"
    folder = write(tmp_path, {"index.rst": page})
    (folder / "point.npz").write_bytes(content)
    assert re.search(rf"index\.rst:5: ERROR: derivation: .*{re.escape(said)}", build(folder).warnings)


def test_where_torch_is_missing_a_verification_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without torch the page has an error where it should be verified, and what needs none is shown."""
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "symgrad.checks.autograd", raising=False)
    built = build(write(tmp_path, {"index.rst": f"{TITLE}{SEED}\n.. derivation::\n\n   l = w**3\n"}))
    (line,) = built.warnings.splitlines()
    assert "index.rst:7: ERROR: derivation: a verification needs torch, which does not load: " in line
    assert "∂l/∂w = 3w²" in built.page("index.txt")


@pytest.mark.parametrize("form", ["rst", "md"])
def test_an_option_that_is_wrong_is_an_error_at_its_line(tmp_path: Path, form: str) -> None:
    """A wrong option is an error at the option's own line."""
    title, name = document(form, "")
    page = title + "\n".join(directive(form, f":detail: chain\n{option}", "u = 3*v\nl = w**2") for option in OPTIONS)
    built = build(write(tmp_path, {name: page}))
    lines = [number for number, text in enumerate(page.splitlines(), 1) if text.strip() in OPTIONS]
    errors = re.findall(rf"{name}:(\d+): ERROR: derivation: (.*)", built.warnings)
    for (line, told), expected, said in zip(errors, lines, OPTIONS.values(), strict=True):
        assert int(line) == expected
        assert said in told


def test_a_docstring_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a docstring the error is at the docstring's own line."""
    folder = write(tmp_path, {"index.rst": f"{TITLE}.. automodule:: documented_gradients\n"})
    text = '"""First.\n\n.. derivation::\n   :wrt: w\n\n   u = w**2\n   l = sigmod(u)\n"""\n'
    (folder / "documented_gradients.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    built = build(folder, extensions=["symgrad.sphinxext", "sphinx.ext.autodoc"])
    assert "documented_gradients.py:docstring of documented_gradients:7: ERROR: derivation: " in built.warnings


def test_an_unknown_word_is_docutils_own_error(tmp_path: Path) -> None:
    """A word that an option does not take is named, with those it does."""
    built = build(write(tmp_path, {"index.rst": f"{TITLE}.. derivation::\n   :detail: stps\n\n   l = w**2\n"}))
    assert '"stps" unknown; choose from "steps", "answer", "chain", or "elementary"' in built.warnings


def test_no_definitions(tmp_path: Path) -> None:
    """An empty directive is an error."""
    built = build(write(tmp_path, {"index.rst": f"{TITLE}.. derivation::\n"}))
    assert "index.rst:4: ERROR: derivation: there is nothing to derive" in built.warnings


def test_a_stray_definition_is_a_warning(tmp_path: Path) -> None:
    """What the reader warns of, Sphinx warns of, at the directive; it can be silenced by its kind."""
    folder = write(tmp_path, {"index.rst": f"{TITLE}.. derivation::\n\n   a = w\n   l = w**2\n"})
    built = build(folder)
    assert re.search(r"index\.rst:4: WARNING: .*'a'.*\[symgrad\.read\]", built.warnings)
    assert build(folder, fresh=True, suppress_warnings=["symgrad.read"]).warnings == ""


ROLES = {
    "w**2": "expected dl/dw of a formula",
    "dl/dw of sigmod(w)": "unknown function 'sigmod'",
    "dl/dq of w**2": "cannot differentiate by 'q'",
    "dl/dw of m = w**2": "'l'",
    "dl/dw of": "expected dl/dw of a formula",
    f"dl/dw of h0 = w; {'; '.join(f'h{n} = tanh(w*h{n - 1})' for n in range(1, 7))}; l = h6**2": "too long for a line",
    f"dL/dx of x: (n,); h0 = x; {'; '.join(f'h{n} = tanh(x*h{n - 1})' for n in range(1, 9))}; L = sum(h8)": "too long",
}


@pytest.mark.parametrize("name", ["index.rst", "index.md"])
def test_a_role_that_is_wrong_is_an_error(tmp_path: Path, name: str) -> None:
    """A wrong role is an error at its paragraph, and shows itself as it was written."""
    page = TITLE if name.endswith("rst") else "# Page\n\n\n"
    for text in ROLES:
        role = f":derivative:`{text}`" if name.endswith("rst") else f"{{derivative}}`{text}`"
        page += f"Here {role} stands.\n\n"
    built = build(write(tmp_path, {name: page}))
    errors = re.findall(rf"{name}:(\d+): ERROR: derivative: (.*)", built.warnings)
    assert [int(line) for line, _ in errors] == [4, 6, 8, 10, 12, 14, 16]
    assert all(said in told for (_, told), said in zip(errors, ROLES.values(), strict=True))


SHOWN = {
    "dl/dw of (x*w - y)**2": "∂l/∂w = 2x(xw − y)",
    "∂l/∂w of (x*w - y)**2": "∂l/∂w = 2x(xw − y)",
    "dE/dw of h = tanh(w*x); E = h**2 + c*h": "∂E/∂w = x(2·tanh(wx) + c)(1 − tanh(wx)²)",
    "dE/dx of a = x**2; E = a + a*x": "dE/dx = 2x(1 + x) + x²",
    "dL/dx of x: (n,); L = sum(x**2)": "∂L/∂x = 2x",
    "dl/dw of where(w <= 1, w, 2*w)": "∂l/∂w = where(w ≤ 1, 1, 2)",
}


def test_the_role(tmp_path: Path) -> None:
    """The role shows the answer, in the names that it gives."""
    page = TITLE + "\n\n".join(f"Here :derivative:`{text}` stands." for text in SHOWN)
    built = build(write(tmp_path, {"index.rst": page}))
    assert built.warnings == ""
    said = [" ".join(line.split()) for line in built.page("index.txt").split("\n\n")[1:]]
    assert said == [f"Here {shown} stands." for shown in SHOWN.values()]


# what must not get through


def test_nothing_of_the_author_is_markup(tmp_path: Path) -> None:
    """Angle brackets, quotes and commands reach no output as such, wherever they are written."""
    hostile = '"><script>alert(1)</script>\\input{x}'
    page = TITLE
    for option in ("wrt", "at", "highlight", "output", "label", "name", "caption"):
        page += f".. derivation::\n   :{option}: {hostile}\n\n   l = w**2\n\n"
    page += f".. derivation::\n\n   l = w**2 # {hostile}\n   m = {hostile}\n\nHere :derivative:`{hostile}`.\n"
    for builder in ("html", "latex"):
        built = build(write(tmp_path, {"index.rst": page}), builder)
        (name,) = [p.name for p in built.folder.iterdir() if p.name in ("index.html",) or p.suffix == ".tex"]
        made = built.page(name)
        assert "alert(1)" in made, "it is shown, as text"
        assert "<script>alert" not in made if builder == "html" else r"\input{x}" not in made


@pytest.mark.parametrize("text", ["\\input{x}", "a_b^c~d$e$%#&", "x\\", "}{", "\N{SUPERSCRIPT TWO}", 'say "hi"', "<b>"])
def test_words_in_a_latex_picture_are_words(text: str) -> None:
    """No character of a text is a command, a brace or a sign of LaTeX's in the picture."""
    made = words(text)
    left = re.sub(r"\\(text\w+\{\}|symbol\{34\}|[_%&#${}]|[~^]\{\})|\$([<>]|\^\{2\})\$", "", made)
    assert not re.search(r"[\\{}$%#&^_<>\"]", left)


def test_pieces_with_latex_are_escaped() -> None:
    """HTML around LaTeX is valid XML whatever the words in it."""
    hostile = '<script>alert("&")</script>'
    table = Table((hostile, "a", hostile), ((hostile, hostile, hostile),))
    blocks = (Heading(hostile), Remark((hostile, Name("w"), hostile)), Convention(hostile, hostile), table)
    pieces = MathjaxRenderer().pieces(blocks)
    root = ET.fromstring(f"<div>{''.join(text for kind, text in pieces if kind == 'html')}</div>")
    assert "".join(root.itertext()).count(hostile) == 10
    assert ("inline", "w") in pieces


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (r"y=\hat{y}", {"y": r"\hat{y}"}),
        ("y=\\hat{y}, w=\\omega_{1,2}\nb=b'", {"y": r"\hat{y}", "w": r"\omega_{1,2}", "b": "b'"}),
        (r"x=\boldsymbol{x}^{(1)}", {"x": r"\boldsymbol{x}^{(1)}"}),
        ("", {}),
    ],
)
def test_names_in_latex(given: str, found: dict[str, str]) -> None:
    """Names are given with commas or one a line."""
    assert latex_names(given) == found


@pytest.mark.parametrize(
    "given",
    [r"y=\href{x}{y}", r"y=\def\a{b}", r"y=\csname input\endcsname", "y=^^5cinput", "y=$x$", "y={", "y=}{", "y", "=x",
     "y=<b>", "y=a&b", "y=%", "y=\\\\x", "y=1, y=2", r"y=\begin{x}", "y=#1"],
)  # fmt: skip
def test_a_name_is_a_name(given: str) -> None:
    """What is more than letters, accents, fonts and subscripts is refused."""
    with pytest.raises(sg.SymgradError):
        latex_names(given)
