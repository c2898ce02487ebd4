"""The chain rule: linear cost, each edge once, names that never clash, and forms that stay small."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import sympy
from cases import BY_NAME, CASES, Case
from flint import arb

import symgrad as sg
from symgrad.calculus.elementary import elementary
from symgrad.calculus.forms import CLOSED_LIMIT, PATH_LIMIT, Forms
from symgrad.checks.balls import Balls, enclose, precision
from symgrad.core.expression import size
from symgrad.core.graph import Graph
from symgrad.errors import GraphError


def ids(case: Case) -> str:
    """A case by its name."""
    return case.name


def tanh_chain(length: int) -> Graph:
    """`length` tanh layers, one in the other, with a weight of its own each."""
    lines = ["h0 = w0*x", *(f"h{i} = tanh(w{i}*h{i - 1})" for i in range(1, length + 1)), f"l = h{length}**2"]
    return sg.read("\n".join(lines))


def diamonds(length: int) -> Graph:
    """`length` diamonds in a row, so that the number of paths doubles with each."""
    lines = [
        line
        for i in range(1, length + 1)
        for line in (f"a{i} = sin(x{i - 1})", f"b{i} = cos(x{i - 1})", f"x{i} = a{i}*b{i}")
    ]
    return sg.read("\n".join([*lines, f"l = x{length}**2"]))


def counts(derivation: sg.Derivation) -> tuple[int, int, int, int]:
    """Steps, edges, nodes of the gradient, and operations in all of them."""
    operations = sum(size(node.body) for node in derivation.gradient.nodes if node.body is not None)
    return len(derivation.steps), len(derivation.terms), len(derivation.gradient.nodes), operations


@pytest.mark.parametrize("family", [tanh_chain, diamonds])
def test_cost_is_linear(family: Callable[[int], Graph]) -> None:
    """Twice the graph is twice the work: steps, edges, nodes and operations grow by the same amount each time."""
    small, middle, large = (counts(sg.derive(family(length))) for length in (100, 200, 400))
    first = [after - before for before, after in zip(small, middle, strict=True)]
    second = [after - before for before, after in zip(middle, large, strict=True)]
    assert second == [2 * growth for growth in first]
    assert min(first) > 0


def flowing(body: sympy.Basic | None) -> set[str]:
    """The parents a line reads outside its conditions, through which alone a derivative flows."""
    if body is None or isinstance(body, sympy.core.relational.Relational):
        return set()
    if isinstance(body, sympy.Symbol):
        return {body.name}
    return set().union(*(flowing(part) for part in body.args))


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_each_edge_appears_once(case: Case) -> None:
    """The terms are exactly the edges between live nodes, each once, told from the output backwards."""
    derivation = case.derive()
    primal = derivation.primal
    live = primal.descendants(derivation.wrt) & primal.ancestors(derivation.output)
    edges = [(n.name, p) for n in primal.nodes if n.name in live for p in flowing(n.body) if p in live]
    told = [(term.child, term.parent) for term in derivation.terms]
    assert sorted(told) == sorted(edges)
    assert len(set(told)) == len(told)
    order = [step.node for step in derivation.steps]
    assert all(order.index(child) < order.index(parent) for child, parent in told)
    assert set(order) == live | set(derivation.wrt)


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_gradient_names_never_clash(case: Case) -> None:
    """Adjoints, partials and contributions have names of their own, none of them the user's."""
    derivation = case.derive()
    users = [node.name for node in derivation.primal.nodes]
    made = [*derivation.adjoints.values(), *(term.partial_name for term in derivation.terms)]
    made += [t.contribution for step in derivation.steps if len(step.terms) > 1 for t in step.terms]
    assert len(set(made)) == len(made)
    assert not set(users) & set(made)


def test_adjoint_names_step_aside() -> None:
    """Where the user has taken the name of an adjoint or a partial, the made one gets a number."""
    derivation = sg.derive(sg.read("dl_dw = 2*w; dl_dw_1 = dl_dw*pl_pw; l = dl_dw_1**2 + w"), ["w"])
    assert derivation.adjoints["w"] == "dl_dw_2"
    assert next(term.partial_name for term in derivation.step("w").terms if term.child == "l") == "pl_pw_1"


def test_a_fork_adds_up() -> None:
    """A node with two children has two terms, in graph order, and its adjoint is the sum of their contributions."""
    derivation = sg.derive(sg.read("a = w*x; b = w**2; l = a*b"), ["w"])
    step = derivation.step("w")
    assert [(term.child, str(term.partial)) for term in step.terms] == [("a", "x"), ("b", "2*w")]
    body = derivation.gradient[step.adjoint].body
    assert body is not None
    assert [str(part) for part in body.args] == [term.contribution for term in step.terms]


def test_a_parent_read_twice_is_one_edge() -> None:
    """A line that reads a name twice has one partial for it, with both occurrences in it."""
    derivation = sg.derive(sg.read("l = w*sin(w)"))
    (term,) = derivation.terms
    assert sg.compile(derivation)({"w": 2.0}).partials["l", "w"] == pytest.approx(0.0770037537313969, rel=1e-15)
    assert term.rule.startswith("product rule")


def test_paths_are_counted_without_being_walked() -> None:
    """Forty diamonds have 2^40 paths; counting them is immediate, and listing stops at its limit."""
    forms = Forms(sg.derive(diamonds(40)))
    assert forms.path_counts["x0"] == 2**40
    assert forms.path_counts["l"] == 1
    assert len(forms.paths("x0")) == PATH_LIMIT
    assert not forms.told_by_paths


def test_path_counts_of_a_fork() -> None:
    """A name that reaches the output directly and through another has two paths, in graph order."""
    forms = Forms(BY_NAME["direct_and_indirect"].derive())
    assert forms.path_counts == {"l": 1, "y": 1, "w": 2}
    assert [path.nodes for path in forms.paths("w")] == [("w", "y", "l"), ("w", "l")]


def test_logistic_map_of_24_rounds() -> None:
    """The chaotic map, whose closed derivative would fill a library, derives at once and prints in bounded space."""
    lines = ["x1 = r*x*(1 - x)", *(f"x{i} = r*x{i - 1}*(1 - x{i - 1})" for i in range(2, 25)), "l = x24"]
    derivation = sg.derive(sg.read("\n".join(lines)), ["x"])
    assert len(derivation.steps) == 26
    assert Forms(derivation).path_counts["x"] == 1
    text = sg.render(derivation, "text")
    assert "it would have" in text
    assert len(text) < 10_000


def composite() -> sg.Derivation:
    """A loss whose derivative in leaves alone would be enormous."""
    lines = ["a1 = tanh(x*w)", *(f"a{i} = a{i - 1}*sin(a{i - 1}) + exp(a{i - 1})" for i in range(2, 15)), "l = a14"]
    return sg.derive(sg.read("\n".join(lines)), ["w"])


def test_closed_forms_are_bounded() -> None:
    """A closed form beyond the limit is not made, and the text gives its size and says that another form stands."""
    derivation = composite()
    forms = Forms(derivation)
    step = derivation.step("w")
    assert forms.closed(forms.worked["w"]) is None
    assert forms.closed_size(step) > 10**6
    assert "(written in leaves alone it would have about 10^" in sg.render(derivation, "text")


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_closed_forms_are_small_and_in_leaves(case: Case) -> None:
    """Whatever closed form is made reads leaves only; what is not made was larger than the limit."""
    derivation = case.derive()
    forms = Forms(derivation)
    for name in derivation.wrt:
        worked = forms.worked[name]
        closed = forms.closed(worked)
        if closed == worked:
            continue  # the user's own formula was in leaves already
        if closed is None:
            assert forms.closed_size(derivation.step(name)) > CLOSED_LIMIT
        else:
            assert size(closed) <= 2 * CLOSED_LIMIT
            assert {str(s) for s in closed.free_symbols} <= set(derivation.primal.leaves)


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_the_size_remark_is_about_leaves(case: Case) -> None:
    """A form that is in leaves already is not called one that should be written in leaves."""
    derivation = case.derive()
    leaves = set(derivation.primal.leaves)
    last: set[str] = set()
    for line in sg.render(derivation, "text").splitlines():
        if "written in leaves alone" in line:
            assert not last <= leaves, line
        right = re.split(r"(?<= )= ", line)[-1]
        right = re.split(r"\s{6,}", right)[0]
        last = set(re.findall(r"[^\W\d]\w*(?!\w*\()", right))


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_splitting_keeps_the_value(case: Case) -> None:
    """A graph split into elementary steps has the same output, and the same gradient, at the case's point."""
    graph = sg.read(case.text)
    whole, split = sg.derive(graph, case.wrt), sg.derive(elementary(graph), case.wrt)
    assert split.output == whole.output
    with precision(400):
        one = enclose(whole.gradient, case.at, Balls.exact())
        other = enclose(split.gradient, case.at, Balls.exact())
        pairs = [(one[whole.output], other[split.output])]
        pairs += [(one[whole.adjoints[name]], other[split.adjoints[name]]) for name in whole.wrt]
        assert all(is_close(left, right, decimals="." in case.text or "e-" in case.text) for left, right in pairs)


def is_close(one: arb, other: arb, decimals: bool) -> bool:
    """Equal to all digits; a product of decimals is printed as one, which is exact in decimal and rounds in binary."""
    return bool(abs(one - other).abs_upper() <= (1 + one.abs_upper()) * (2.0**-50 if decimals else 2.0**-200))


def test_splitting_makes_one_operation_a_line() -> None:
    """Each line of a split graph is one operation on names and constants, and equal parts are computed once."""
    graph = elementary(sg.read("l = exp(x)/(exp(x) + exp(y))"))
    assert {n.name: str(n.body) for n in graph.nodes if n.body is not None} == {
        "v1": "exp(x)", "v2": "exp(y)", "v3": "v1 + v2", "l": "v1/v3",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "wrt", "message"),
    [
        (
            "y_pred = x*w; l = y_pred**2",
            ["y_prd"],
            "cannot differentiate by 'y_prd': it is not in the graph. Did you mean 'y_pred'?",
        ),
        ("l = x*w", ["q"], "cannot differentiate by 'q': it is not in the graph. The leaves are 'x' and 'w'."),
        ("l = x*w", ["w", "w"], "wrt names 'w' twice; once is enough."),
        ("l = x*w", [], "wrt is empty; name at least one leaf, or leave it out for every leaf."),
        ("l = 1 + 2", None, "'l' is a constant: there is no leaf to differentiate it by."),
    ],
)
def test_wrt_is_checked(text: str, wrt: list[str] | None, message: str) -> None:
    """A wrt that cannot be meant is refused, by name, with a way out."""
    with pytest.raises(GraphError) as caught:
        sg.derive(sg.read(text), wrt)
    assert str(caught.value) == message


def test_wrt_by_one_name() -> None:
    """A single name is as good as a list of one."""
    graph = sg.read("l = x*w")
    assert sg.derive(graph, "w") == sg.derive(graph, ["w"])


def test_default_wrt_is_every_used_leaf() -> None:
    """Without wrt the gradient is taken by every leaf the output depends on, in order."""
    assert sg.derive(sg.read("u: (); l = x*w + y")).wrt == ("x", "w", "y")


def test_absent_name_has_gradient_zero() -> None:
    """The derivative by a name the output does not depend on is 0, and is a node like any other."""
    derivation = BY_NAME["wrt_absent"].derive()
    assert sg.compile(derivation)(BY_NAME["wrt_absent"].at).gradient == {"w": 2.25, "u": 0.0}
    assert derivation.step("u").terms == ()


def test_another_output() -> None:
    """Any node can be the output; what it does not need is left out of the gradient."""
    derivation = sg.derive(sg.read("a = w*x; l = a**2"), ["w"], output="a")
    assert derivation.output == "a"
    assert "l" not in derivation.gradient


def test_unknown_step_is_named() -> None:
    """Asking for the step of a node that no path passes is an error that lists the steps."""
    with pytest.raises(GraphError, match="no step gives dl/dy; there are steps for"):
        BY_NAME["seed"].derive().step("y")


def test_jupyter_gets_text_and_latex() -> None:
    """A notebook may show the derivation as LaTeX, and as plain text."""
    derivation = BY_NAME["seed"].derive()
    bundle = derivation._repr_mimebundle_()
    assert bundle["text/plain"] == sg.render(derivation, "unicode")
    assert bundle["text/latex"] == sg.render(derivation, "latex")


def test_a_name_read_in_conditions_alone_has_derivative_zero() -> None:
    """Conditions are constants for the derivative, and the text says that this is why it is 0."""
    derivation = sg.derive(sg.read("where(x > y, x, 2)"), "y")
    assert sg.compile(derivation)({"x": 1.0, "y": 0.5}).gradient == {"y": 0.0}
    assert "l reads y in conditions alone; its derivative is 0.\ndl_dy = 0" in sg.render(derivation)
    assert sg.verify(derivation, {"x": 1.0, "y": 0.5}).passed
