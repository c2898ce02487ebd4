"""What stands in MathML is true: every formula is read back, and equals what its line says it is."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from cases import CASES, Case
from mathml_reader import Reader, key
from mathml_values import Evaluator, Row
from printed_claims import Claim
from tensor_models import Model
from test_print_tensors import ALL, assert_true, derivation_of, truth
from test_printed_is_true import STYLES, derived, ids, rendered, tells_totals, truths, untrue

import symgrad as sg
from symgrad.renderers.mathml import MathmlPrinter
from symgrad.renderers.mathml_pieces import distinct_names


def spelled(derivation: sg.Derivation) -> dict[str, str]:
    """Each name by its spelling; two that are spelled alike cannot be told apart."""
    names = {key(made): name for name, made in distinct_names(n.name for n in derivation.primal.nodes).items()}
    assert len(names) == len(derivation.primal.nodes)
    return names


def fraction(derivation: sg.Derivation, d: str, of: str, by: str) -> str:
    """A derivative as it is spelled."""
    names = distinct_names(node.name for node in derivation.primal.nodes)
    sign = f"<mi>{d}</mi>"
    return key(f"<mfrac><mrow>{sign}{names[of]}</mrow><mrow>{sign}{names[by]}</mrow></mfrac>")


def quantities(derivation: sg.Derivation, totals: bool) -> dict[str, str]:
    """The node of the gradient that holds each derivative, by its spelling."""
    d = "d" if totals else "∂"
    partials = {fraction(derivation, "∂", t.child, t.parent): t.partial_name for t in derivation.terms}
    output = derivation.output
    return {**partials, **{fraction(derivation, d, output, v): a for v, a in derivation.adjoints.items()}}


def rows(page: str) -> Iterator[tuple[ET.Element, list[ET.Element]]]:
    """The rows of the equations on a page: the first cell, and the formulas of the second."""
    for table in ET.fromstring(page).iter("table"):
        if table.get("class") == "equations":
            for row in table.iter("tr"):
                yield row[0], list(row[1].iter("math")) if len(row) > 1 else []


def claims(page: str, derivation: sg.Derivation, totals: bool) -> list[Claim]:
    """Every claim of a page about scalars."""
    reader = Reader(spelled(derivation), quantities(derivation, totals))
    names = {name: name for name in reader.known.values()}
    found: list[Claim] = []
    left: Any = ""
    for first, formulas in rows(page):
        label = ET.tostring(first, encoding="unicode")
        if first.get("scope") == "rowgroup":
            (path,) = first.iter("math")
            left = tuple(reader.one(part) for part in path if part.tag != "mo")
            continue
        if first.tag == "th":
            (heading,) = first.iter("math")
            left = names[reader.read(heading)]
        found += [Claim(label, left, reader.read(formula)) for formula in formulas]
    return found


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_scalars_are_true(case: Case) -> None:
    """Every right-hand side of every case, in every detail and notation, has the value of its left."""
    derivation = derived(case.name)
    for detail, notation in STYLES:
        page = rendered(case, "html", detail, notation)
        if page is None:
            continue
        told = claims(page, derivation, tells_totals(derivation, notation))
        assert len(told) >= len(derivation.wrt)
        assert not (wrong := untrue(told, derivation, truths(case.name))), f"{detail}, {notation}:\n" + "\n".join(wrong)


def of_tensors(model: Model, page: str) -> Iterator[tuple[str, ET.Element, ET.Element]]:
    """For each row of a page about tensors: the node on its left, the left-hand side, the right-hand side."""
    derivation = derivation_of(model.name)
    totals = '<mi mathvariant="normal">d</mi>' in page
    reader = Reader(spelled(derivation), quantities(derivation, totals))
    for first, (formula,) in rows(page):
        (heading,) = first.iter("math")
        parts = list(heading)
        if len(parts) > 1 and parts[1].text == ":=":
            parts = parts[2:]
        name = reader.read(_math(parts)).partition("[")[0]
        yield name, heading, formula


def _math(parts: list[ET.Element]) -> ET.Element:
    made = ET.Element("math")
    made.extend(parts)
    return made


def letters(model: Model, page: str) -> dict[str, str]:
    """The derivative that each letter stands for, by its spelling."""
    found = {}
    for name, heading, _ in of_tensors(model, page):
        if len(heading) > 1 and heading[1].text == ":=":
            found[key(ET.tostring(heading[0], encoding="unicode"))] = name
    return found


@pytest.mark.parametrize("model", ALL, ids=lambda model: model.name)
def test_index_notation_is_true(model: Model) -> None:
    """In index notation every right-hand side reads back to the node on its left, in shape and in numbers."""
    derivation = derivation_of(model.name)
    page = sg.render(derivation, "html", tensors="index")
    totals = '<mi mathvariant="normal">d</mi>' in page
    reader = Reader({**spelled(derivation), **letters(model, page)}, quantities(derivation, totals))
    told = []
    for name, heading, formula in of_tensors(model, page):
        left = _math([part for part in heading if part.text != ":="][-1:])
        told.append((name, reader.read(left).partition("[")[2].removesuffix("]"), reader.read(formula)))
    assert {derivation.adjoints[name] for name in derivation.wrt} <= {name for name, _, _ in told}
    assert_true(model.name, told)


@pytest.mark.parametrize("model", ALL, ids=lambda model: model.name)
def test_matrix_notation_is_true(model: Model) -> None:
    """In matrix notation every right-hand side, evaluated, is the value of its left."""
    assert_matrices(model, sg.render(derivation_of(model.name), "html"))


def assert_matrices(model: Model, page: str) -> None:
    """Each formula in matrix notation has the value of its left-hand side."""
    derivation = derivation_of(model.name)
    values, naive = truth(model.name)
    totals = '<mi mathvariant="normal">d</mi>' in page
    spellings = {**spelled(derivation), **quantities(derivation, totals), **letters(model, page)}
    known = {made: values[name] for made, name in spellings.items() if name in values}
    known |= {key(MathmlPrinter().name(size)): length for size, length in naive.sizes.items()}
    evaluator = Evaluator(known)
    for name, heading, formula in of_tensors(model, page):
        if has_entries(heading) or has_entries(formula):
            continue  # told in entries, which the test above reads
        actual = evaluator.value(formula)
        assert not isinstance(actual, Row)
        alternative = formula.get("alttext")
        assert np.shape(actual) == np.shape(values[name]), alternative
        np.testing.assert_allclose(actual, values[name], rtol=1e-9, atol=1e-10, err_msg=f"{name} {alternative}")


def has_entries(formula: ET.Element) -> bool:
    """Whether a formula has subscripts of its own, or a sum over indices."""
    below = [part[1] for part in formula.iter("msub")] + [part[1] for part in formula.iter("msubsup")]
    return any(part.tag == "mrow" for part in below) or formula.find(".//munder") is not None


# tests of the tests


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<mn>2</mn><mo>&#x2062;</mo>", "<mn>3</mn><mo>&#x2062;</mo>"),
        ("<mo>−</mo>", "<mo>+</mo>"),
    ],
)
def test_a_false_formula_is_caught(old: str, new: str) -> None:
    """A page with one planted fault does not pass."""
    derivation = derived("seed")
    page = sg.render(derivation, "html")
    at = page.index("</table>")  # beyond the definitions
    assert old in page[at:]
    assert not untrue(claims(page, derivation, False), derivation, truths("seed"))
    corrupted = page[:at] + page[at:].replace(old, new, 1)
    assert len(untrue(claims(corrupted, derivation, False), derivation, truths("seed"))) == 1


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("mlp_one_sample", "<mo>⊙</mo>", "<mo>+</mo>"),
        ("mlp_one_sample", "<mn>2</mn><mo>&#x2062;</mo>", "<mn>3</mn><mo>&#x2062;</mo>"),
        ("attention", "axis 1, kept", "axis 0, kept"),
        ("attention", "<mo>−</mo>", "<mo>+</mo>"),
    ],
)
def test_a_false_matrix_is_caught(name: str, old: str, new: str) -> None:
    """A page with one planted fault in matrix notation does not pass."""
    model = next(model for model in ALL if model.name == name)
    page = sg.render(derivation_of(name), "html")
    at = page.index("Backward")
    assert old in page[at:]
    with pytest.raises(AssertionError):
        assert_matrices(model, page[:at] + page[at:].replace(old, new))


@pytest.mark.parametrize(
    ("markup", "meant"),
    [
        ("<mn>2</mn><mo>&#x2062;</mo><msup><mi>x</mi><mn>2</mn></msup>", "2*x**(2)"),
        ("<mfrac><mi>x</mi><mrow><mi>y</mi><mo>+</mo><mn>1</mn></mrow></mfrac>", "((x)/(y+1))"),
        ("<mrow><mo>|</mo><mi>x</mi><mo>|</mo></mrow>", "abs(x)"),
        ("<munder><mo>∑</mo><mi>j</mi></munder><mi>x</mi><mo>+</mo><mi>y</mi>", "sum(x, j)+y"),
        ("<msub><mi>W</mi><mrow><mi>i</mi><mo>,</mo><mi>j</mi></mrow></msub>", "W[i,j]"),
    ],
)
def test_the_reader(markup: str, meant: str) -> None:
    """The reader gives fractions, powers, bars, sums and subscripts their usual meaning."""
    names = {f"<mi>{letter}</mi>": letter for letter in "xyWij"}
    assert Reader(names, {}).read(ET.fromstring(f"<math>{markup}</math>")) == meant
