"""Every example in the README and in docs/ runs, and prints what stands there."""

from __future__ import annotations

import doctest
import json
import re
import shlex
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

import symgrad
from symgrad.cli import run

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


def console_examples() -> list[tuple[str, str, str]]:
    """Page, command and expected output of each console block."""
    found = []
    for page in PAGES:
        for block in CONSOLE.findall(page.read_text(encoding="utf-8")):
            command, _, output = block.partition("\n")
            assert command.startswith("$ symgrad "), f"{page.name}: {command!r}"
            found.append((page.name, command[2:], output))
    return found


def test_there_are_examples() -> None:
    """The README shows a derivation, a verification and a training run."""
    commands = [command.split()[1] for page, command, _ in console_examples() if page == "README.md"]
    assert {"derive", "verify", "train"} <= set(commands)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to write into, from which the repository's files are found under their names."""
    for name in ("docs", "symgrad"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("page", "command", "output"), console_examples())
@pytest.mark.usefixtures("desk")
def test_console_example(capsys: pytest.CaptureFixture[str], page: str, command: str, output: str) -> None:
    """A command in the documentation prints what the documentation says."""
    run(shlex.split(command)[1:])
    assert without_version(capsys.readouterr().out) == without_version(output), page


def without_version(text: str) -> str:
    """Text that depends neither on which torch is installed nor on how large a file became."""
    return re.sub(r"\d+ kB", "kB", re.sub(r"torch \d[\w.]*", "torch", text))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex (Debian: texlive-latex-recommended)")
def test_the_paper_compiles(desk: Path) -> None:
    """The paper of docs/paper.md, with the files that its commands write."""
    page = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
    commands = [command for name, command, _ in console_examples() if name == "paper.md" and " -o " in command]
    assert [run(shlex.split(command)[1:]) for command in commands] == [0, 0, 0]
    (paper,) = re.findall(r"^```latex\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (desk / "paper.tex").write_text(paper, encoding="utf-8")
    command = ["pdflatex", "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    made = subprocess.run(command, cwd=desk, capture_output=True, check=False, timeout=120)
    assert (made.returncode, (desk / "paper.pdf").exists()) == (0, True), made.stdout.decode("latin-1")[-2000:]


def test_json_page_names_every_field() -> None:
    """docs/json.md names the fields of the JSON format, and no others."""
    page = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]*`) \|", page, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)} | {"value"}
    assert named == set(fields("h = x*w; l = h**2 + w")) | set(fields("x: (n,); w: (n,); l = dot(w, x)"))


def fields(text: str) -> Iterator[str]:
    """The names of all fields in a derivation's JSON at a point."""
    derivation = symgrad.derive(symgrad.read(text), "w")
    at = {leaf: [1.0, 2.0] if derivation.primal[leaf].shape else 1.0 for leaf in derivation.primal.leaves}
    stack = [json.loads(symgrad.render(derivation, "json", evaluation=symgrad.compile(derivation)(at)))]
    while stack:
        part = stack.pop()
        if isinstance(part, dict):
            yield from part
        stack.extend(part.values() if isinstance(part, dict) else part if isinstance(part, list) else ())


@pytest.mark.parametrize(
    "page", [page for page in PAGES if ">>> " in page.read_text(encoding="utf-8")], ids=lambda p: p.name
)
def test_python_examples(page: Path) -> None:
    """The Python sessions of a page are true ones."""
    failures, tried = doctest.testfile(str(page), module_relative=False)
    assert tried >= 4
    assert failures == 0


def test_docstring_examples() -> None:
    """The example in the package's docstring is a true one."""
    failures, tried = doctest.testmod(symgrad)
    assert tried >= 4
    assert failures == 0


def test_results_show_themselves_in_a_notebook() -> None:
    """A derivation shows itself in LaTeX, plain text and HTML, a verification as its table."""
    derivation = symgrad.derive(symgrad.read("l = (x*w - y)**2"), "w")
    bundle = derivation._repr_mimebundle_(include=None, exclude=None)
    assert bundle["text/plain"] == symgrad.render(derivation, "unicode")
    assert bundle["text/latex"] == symgrad.render(derivation, "latex")
    verification = symgrad.verify(derivation, {"x": 1.0, "w": 2.0, "y": 3.0})
    bundle = verification._repr_mimebundle_()
    assert bundle["text/plain"] == symgrad.render(verification, "unicode")
    assert "<table" in bundle["text/html"]


def test_links_between_pages_lead_somewhere() -> None:
    """A relative link in a page names a file that exists."""
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_public_names_are_few_and_documented() -> None:
    """Fewer than twenty public names, each with a docstring; `dir` and `*` agree on them."""
    assert len(symgrad.__all__) < 20
    for name in symgrad.__all__:
        assert (getattr(symgrad, name).__doc__ or "").strip(), name
        assert name in dir(symgrad)
    with pytest.raises(AttributeError, match="no attribute 'derivative'"):
        symgrad.derivative  # noqa: B018


def test_grammar_page_lists_every_function() -> None:
    """docs/grammar.md names each function of the table, and no other."""
    from symgrad.functions import BY_NAME, SPELLINGS

    page = (ROOT / "docs" / "grammar.md").read_text(encoding="utf-8")
    listed = set(" ".join(re.findall(r"^\| \w[\w ]* \| `([^`]*)` \|$", page, re.MULTILINE)).split())
    assert listed == set(BY_NAME) | SPELLINGS


def test_version_is_in_the_changelog() -> None:
    """The changelog has a section for what is not yet released, or for this version."""
    page = (ROOT / "docs" / "changelog.md").read_text(encoding="utf-8")
    assert "## Unreleased" in page or f"## {symgrad.__version__}" in page


def test_no_warning_of_our_own_leaks() -> None:
    """A plain use of the library warns of nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        derivation = symgrad.derive(symgrad.read("l = (x*w - y)**2"), "w")
        assert symgrad.verify(derivation, {"x": 1.0, "w": 2.0, "y": 3.0}).passed


def test_verify_needs_points() -> None:
    """No point, or one that is not finite, is refused; an empty verification never passes."""
    derivation = symgrad.derive(symgrad.read("l = x**2"), "x")
    with pytest.raises(symgrad.SymgradError, match="there is no point"):
        symgrad.verify(derivation, [])
    with pytest.raises(symgrad.SymgradError, match="not finite"):
        symgrad.verify(derivation, {"x": float("nan")})
