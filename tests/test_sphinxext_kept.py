"""The Sphinx extension: what fails a build, and what is kept from one build to the next."""

from __future__ import annotations

import json
import pickle
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy
import pytest

pytest.importorskip("sphinx", reason="needs Sphinx (pip install symgrad[sphinx])")

from sphinx_builds import EVERYTHING, SEED, TITLE, build, command, write
from test_sabotage import faulty_derivation

import symgrad as sg
from symgrad.core.derivation import Derivation
from symgrad.core.graph import Graph
from symgrad.sphinxext.cache import fingerprint


def planted(monkeypatch: pytest.MonkeyPatch, edge: tuple[str, str] = ("y_pred", "w"), factor: float = -1) -> None:
    """From now on every derivation has a wrong rule on this edge."""
    right = sg.derive

    def derive(graph: Graph, wrt: list[str] | None = None) -> Derivation:
        return faulty_derivation(right(graph, wrt), edge, factor)

    monkeypatch.setattr("symgrad.calculus.derive", derive)


# verification


def test_a_wrong_rule_fails_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A derivation with a wrong sign is a warning that names the first wrong step, so that `-W` fails."""
    planted(monkeypatch)
    built = build(write(tmp_path, {"index.rst": TITLE + SEED}))
    assert built.failed
    (line,) = built.warnings.splitlines()
    assert "index.rst:4: WARNING: the derivative of l by w: not verified. The first wrong step: " in line
    assert line.endswith("∂y_pred/∂w is -3.0, where torch gives 3.0 [symgrad.verify]")
    page = built.page("index.txt")
    assert "Not verified: 1 of 3 agree" in page
    assert "WRONG" in page, "the table is shown though one line was asked for"


def test_a_wrong_rule_between_tensors_fails_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between tensors the first wrong contribution or adjoint is named, with its entry."""
    right = sg.derive

    def derive(graph: Graph, wrt: list[str] | None = None) -> Derivation:
        twice = right(sg.read("W: (2, 2); x: (2,); z = W @ x; L = 2*sum(z**2)"), wrt)
        return replace(twice, primal=graph)

    monkeypatch.setattr("symgrad.calculus.derive", derive)
    text = f"{TITLE}.. derivation::\n   :wrt: W\n   :verify:\n\n   W: (2, 2); x: (2,); z = W @ x; L = sum(z**2)\n"
    built = build(write(tmp_path, {"index.rst": text}))
    assert built.failed
    assert re.search(
        r"index\.rst:4: WARNING: .* The first wrong step: dL/dz\[\d\] is \S+, where torch gives", built.warnings
    )


def test_it_fails_again_until_it_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A document that failed is read again at the next build, though nothing has changed; one that passed is not."""
    folder = write(tmp_path, {"index.rst": TITLE + SEED})
    with monkeypatch.context() as patch:
        planted(patch)
        assert build(folder).failed
        again = build(folder)
        assert (again.failed, again.read) == (True, ("index",))
    shutil.rmtree(tmp_path / "_build" / "doctrees" / "symgrad")
    right = build(folder)
    assert (right.failed, right.read) == (False, ("index",))
    assert build(folder).read == ()


def test_the_command_line_says_so_too(tmp_path: Path) -> None:
    """The exit code of `sphinx-build -W` is no 0 where a rule is wrong."""
    folder = write(tmp_path, {"index.rst": TITLE + SEED})
    (folder / "conf.py").write_text(
        'extensions = ["symgrad.sphinxext"]\n'
        "import symgrad as sg, symgrad.calculus as calculus\n"
        "right = calculus.derive\n"
        "other = sg.read('y_pred = 2*x*w; l = (y_pred - y)**2')\n"
        "def derive(graph, wrt=None):\n"
        "    wrong = right(other, wrt)\n"
        "    return __import__('dataclasses').replace(wrong, primal=graph)\n"
        "calculus.derive = derive\n",
        encoding="utf-8",
    )
    done = command(folder, "text")
    assert done.returncode != 0
    assert "index.rst:4:" in done.stderr
    assert "not verified. The first wrong step: " in done.stderr


# what is kept


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The output of each derivation from now on."""
    made: list[str] = []
    right = sg.derive

    def derive(graph: Graph, wrt: list[str] | None = None) -> Derivation:
        made.append(graph.output)
        return right(graph, wrt)

    monkeypatch.setattr("symgrad.calculus.derive", derive)
    return made


def entries(folder: Path) -> list[Path]:
    """The cache."""
    return sorted((folder / "_build" / "doctrees" / "symgrad").iterdir())


def test_what_was_derived_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build from scratch finds what another one derived, for every builder; what changed is derived anew."""
    made = counted(monkeypatch)
    folder = write(tmp_path, {"index.rst": EVERYTHING})
    first = build(folder, "html").page("index.html")
    count = len(made)
    assert count == 5
    assert build(folder, "html", fresh=True).page("index.html") == first
    assert build(folder, "latex", fresh=True, numfig=True).warnings == ""
    assert len(made) == count
    write(folder, {"index.rst": EVERYTHING.replace("x=3, y=6, w=1\n   :verify", "x=3, y=6, w=2\n   :verify")})
    assert "= 0" in build(folder, "html").page("index.html")
    assert len(made) == count + 1


def test_a_broken_entry_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that is cut, empty, of another form or of other contents is ignored."""
    folder = write(tmp_path, {"index.rst": TITLE + SEED})
    right = build(folder, "html").page("index.html")
    made = counted(monkeypatch)
    (entry,) = entries(folder)
    text = entry.read_text(encoding="utf-8")
    other = json.loads(text)
    other["printed"]["html"] = "<script>alert(1)</script>"
    broken = [
        "",
        text[:-20],
        "[]",
        "null",
        "{}",
        '{"sum": 1, "printed": 2}',
        json.dumps(other),
        text.replace("18", "17"),
    ]
    for number, content in enumerate(broken, 1):
        entry.write_text(content, encoding="utf-8")
        assert build(folder, "html", fresh=True).page("index.html") == right
        assert len(made) == number
    entry.write_bytes(b"\xff\xfe\x00")
    assert build(folder, "html", fresh=True).page("index.html") == right


def test_another_version_derives_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another symgrad or another torch derived is not used, and the document is read again."""
    folder = write(tmp_path, {"index.rst": TITLE + SEED})
    build(folder)
    assert build(folder).read == ()
    made = counted(monkeypatch)
    for module in ("cache", "state"):
        monkeypatch.setattr(f"symgrad.sphinxext.{module}.fingerprint", lambda: "another")
    assert build(folder).read == ("index",)
    assert len(made) == 1
    assert fingerprint() != "another"


def test_a_file_is_noticed(tmp_path: Path) -> None:
    """Definitions in a file are found beside the document; an error is at its line; a change is read again."""
    folder = write(tmp_path / "docs", {"index.rst": f"{TITLE}.. derivation::\n   :file: model.sg\n   :wrt: w\n"})
    model = folder / "model.sg"
    model.write_text("l = (x*w - y)**2\n", encoding="utf-8")
    assert "∂l/∂w = 2x(xw − y)" not in build(folder).warnings
    assert build(folder).read == ()
    model.write_text("u = x*w\nl = u***2\n", encoding="utf-8")
    built = build(folder)
    assert f"{model}:2: ERROR: derivation: expected an operator" in built.warnings
    model.unlink()
    assert "cannot read model.sg" in build(folder, fresh=True).warnings


def test_a_file_of_arrays_is_noticed(tmp_path: Path) -> None:
    """The numbers of a file of arrays are found beside the document, and are not kept longer than the file."""
    text = (
        f"{TITLE}.. derivation::\n   :at: point.npz\n        y=[1,\n        2]\n\n   x: (2,); y: (2,); L = sum(x*y)\n"
    )
    folder = write(tmp_path, {"index.rst": text})
    numpy.savez(folder / "point.npz", x=[3.0, 4.0])
    assert "[3, 4]" in build(folder).page("index.txt")
    numpy.savez(folder / "point.npz", x=[5.0, 6.0])
    assert "[5, 6]" in build(folder).page("index.txt")
    assert build(folder).read == ()
    (folder / "point.npz").unlink()
    assert "index.rst:5: ERROR: derivation: cannot read" in build(folder).warnings


def test_torch_is_loaded_for_a_verification_alone(tmp_path: Path) -> None:
    """Without `:verify:`, and where the result is kept, a build loads no torch; without a derivation no SymPy."""
    probe = (
        "import sys, sphinx.cmd.build as b\n"
        "from symgrad.sphinxext import cache, state\n"
        "cache.fingerprint = state.fingerprint = lambda: 'fixed'\n"  # whoever edits symgrad just now
        "assert b.main(['-q', '-W', '-b', 'text', *sys.argv[1:]]) == 0\n"
        "print(*[n for n in ('torch', 'sympy') if n in sys.modules])"
    )

    def loaded(text: str) -> set[str]:
        folder = write(tmp_path, {"index.rst": TITLE + text})
        command = [sys.executable, "-c", probe, "-E", str(folder), str(tmp_path / "out")]
        return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())

    assert loaded("Nothing.") == set()
    assert loaded(SEED.replace("   :verify:\n", "")) == {"sympy"}
    assert loaded(SEED) == {"sympy", "torch"}
    assert "torch" not in loaded(SEED)


def test_import_is_light() -> None:
    """Importing the extension loads nothing but itself."""
    code = "import sys, symgrad.sphinxext\nprint(*{'torch', 'sympy', 'numpy', 'docutils'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


def test_two_processes_write_what_one_does(tmp_path: Path) -> None:
    """`-j 2` gives the same bytes as one process, and what one of them finds wrong is not lost."""
    names = [f"page{number}" for number in range(8)]
    listed = "".join(f"   {name}\n" for name in names)
    pages = {"index.rst": f"{TITLE}.. toctree::\n\n{listed}\n:ref:`seed3`, :numref:`seed5`\n"}
    for number, name in enumerate(names):
        seed = SEED.replace("   :verify:\n", "").replace(
            ":graph:", f":graph:\n   :label: seed{number}\n   :caption: No"
        )
        pages[f"{name}.rst"] = f"{TITLE}{seed}\n{seed.replace('w=1', 'w=2').replace('seed', 'other')}"
    results, stamps = [], []
    for jobs in ("1", "2"):
        folder = write(tmp_path / jobs, pages)
        for builder in ("html", "text"):
            done = command(folder, builder, "-j", jobs, "-D", "numfig=1", "-D", "html_theme=basic")
            assert (done.stderr, done.returncode) == ("", 0)
        out = folder / "_out"
        kept = [p for p in sorted(out.rglob("*")) if p.is_file() and ".doctrees" not in p.parts]
        stamps.append(pickle.loads((folder / "_out/html/.doctrees/environment.pickle").read_bytes()).symgrad_stamps)
        results.append({str(p.relative_to(out)): p.read_bytes() for p in kept if p.name != ".buildinfo"})
    assert len(results[0]) > 30
    assert results[0] == results[1]
    assert set(stamps[0]) == set(stamps[1]) == set(names), "what each process has read is known to all"
