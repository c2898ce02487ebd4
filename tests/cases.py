"""The one table of named problems: every test that needs a loss takes it from here.

A fixed bug adds a row. A name that ends in `_at_kink` has its point exactly on a kink, so that it is a problem about a
convention; everywhere else the point is an ordinary one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import symgrad as sg


@dataclass(frozen=True)
class Case:
    """One problem.

    Args:
        name: its name, also that of its golden files.
        text: the loss in the text grammar.
        wrt: what to differentiate by; None for every leaf.
        at: a value for every leaf that the output depends on or that `wrt` names.
    """

    name: str
    text: str
    wrt: tuple[str, ...] | None
    at: Mapping[str, float]

    @property
    def is_at_kink(self) -> bool:
        """Whether the point lies exactly on a kink."""
        return self.name.endswith("_at_kink")

    def derive(self) -> sg.Derivation:
        """The problem, derived."""
        return sg.derive(sg.read(self.text), self.wrt)


def _chain(length: int) -> str:
    steps = ["h1 = tanh(w*x)", *(f"h{i} = tanh(h{i - 1})" for i in range(2, length + 1))]
    return "; ".join([*steps, f"l = h{length}**2"])


def _logistic_map(rounds: int) -> str:
    steps = ["x1 = r*x*(1 - x)", *(f"x{i} = r*x{i - 1}*(1 - x{i - 1})" for i in range(2, rounds + 1))]
    return "; ".join([*steps, f"l = x{rounds}**2"])


def _wide_sum(terms: int) -> str:
    return "l = " + " + ".join(f"c{i}*w**{i}" for i in range(1, terms + 1))


MICROGRAD = """
c = a + b
d = a*b + b**3
c1 = c + c + 1
c2 = c1 + 1 + c1 + (-a)
d1 = d + d*2 + relu(b + a)
d2 = d1 + 3*d1 + relu(b - a)
e = c2 - d2
f = e**2
g = f/2.0 + 10.0/f
"""

CASES: tuple[Case, ...] = (
    # the lecture's problems
    Case("seed", "y_pred = x*w; l = (y_pred - y)**2", ("w",), {"x": 3, "y": 6, "w": 1}),
    Case("seed_every_leaf", "y_pred = x*w; l = (y_pred - y)**2", None, {"x": 3, "y": 6, "w": 1}),
    Case(
        "ridge",
        "y_pred = x*w; e = y_pred - y; fit = e**2; reg = lam*w**2; l = fit + reg",
        ("w",),
        {"x": 3, "y": 6, "w": 1, "lam": 0.1},
    ),
    Case("fork", "a = w*x; b = w**2; l = a*b", ("w", "x"), {"w": 1.5, "x": 2}),
    Case("fork_three_ways", "a = sin(w); b = exp(w); c = w**3; l = a*b + c", ("w",), {"w": 0.5}),
    Case(
        "shared_intermediate",
        "h = tanh(w*x); fit = (h - y)**2; pen = c*h**2; l = fit + pen",
        ("w",),
        {"x": 0.5, "y": 1, "w": 1.5, "c": 0.25},
    ),
    Case(
        "logistic",
        "z = w*x + b; p = sigmoid(z); l = -(y*log(p) + (1 - y)*log(1 - p))",
        ("w", "b"),
        {"x": 0.5, "y": 0.75, "w": 1.5, "b": -0.25},
    ),
    Case("direct_and_indirect", "y = x*w; l = y**2 + y*w", ("w",), {"x": 3, "w": 2}),
    Case(
        "neuron",
        "z = w1*x1 + w2*x2 + b; o = tanh(z); l = (o - y)**2",
        ("w1", "w2", "b"),
        {
            "w1": -3,
            "x1": 2,
            "w2": 1,
            "x2": 0.5,
            "b": 6.5,
            "y": 1,
        },
    ),
    Case("micrograd", MICROGRAD, ("a", "b"), {"a": -4, "b": 2}),
    Case(
        "two_layers",
        "h = tanh(w1*x + b1); y_hat = w2*h + b2; l = (y_hat - y)**2",
        ("w1", "b1", "w2", "b2"),
        {
            "w1": 0.5,
            "b1": 0.25,
            "w2": -1.5,
            "b2": 0.125,
            "x": 2,
            "y": 1,
        },
    ),
    # bare expressions, which are split into steps
    Case("bare_square", "(x*w - y)**2", ("w",), {"x": 3, "y": 6, "w": 1}),
    Case("bare_softmax", "exp(x)/(exp(x) + exp(y))", None, {"x": 0.5, "y": -0.25}),
    Case("bare_name", "y = x**3; y", None, {"x": 2}),
    Case("bare_one_operation", "x*y", None, {"x": 2, "y": -3}),
    Case("bare_negative", "-w*x", None, {"w": 2, "x": 3}),
    # products, quotients, powers
    Case("quotient", "l = (a + b)/(a - c)", None, {"a": 3, "b": 2, "c": 1.5}),
    Case("division_chain", "l = a/b/c", None, {"a": 3, "b": 2, "c": 1.5}),
    Case("division_by_product", "l = a/(b*c)", None, {"a": 3, "b": 2, "c": 1.5}),
    Case("division_by_quotient", "l = a/(b/c)", None, {"a": 3, "b": 2, "c": 1.5}),
    Case("mixed_chain", "l = a/b*c - a*b/c", None, {"a": 3, "b": 2, "c": 1.5}),
    Case("nested_powers", "l = ((x**2 + 1)**3 + y)**2", None, {"x": 0.5, "y": -1}),
    Case("power_of_power", "l = (a**b)**c", None, {"a": 1.5, "b": 2.5, "c": 0.75}),
    Case("power_tower", "l = a**b**c", None, {"a": 1.5, "b": 0.5, "c": 2}),
    Case("power_of_numbers", "l = (x**2)**3 + (x**-2)**3", None, {"x": 1.5}),
    Case("self_power", "l = x**x", None, {"x": 1.5}),
    Case("exponential_of_base", "l = 2**x + x**2", None, {"x": 1.5}),
    Case("negative_powers", "l = x**-2 + 3*x**(-1) - 1/x**3", None, {"x": 2}),
    Case("root_as_decimal", "l = x**0.5 * w", None, {"x": 4, "w": 3}),
    Case("root_as_ratio", "l = x**(1/2) * w", None, {"x": 4, "w": 3}),
    Case("root_as_function", "l = sqrt(x)*w + 1/sqrt(x)", None, {"x": 4, "w": 3}),
    Case("cube_root", "l = x**(1/3) + x**(-2/3)", None, {"x": 8}),
    Case("power_spellings", "l = pow(x, 3) + square(y) + x^2 + y²", None, {"x": 2, "y": 3}),
    Case("product_of_sums", "l = (a + b)*(a - b)*(a + 2*b)", None, {"a": 2, "b": 0.5}),
    # signs and associations
    Case("difference_of_difference", "l = (a - (b - c))*w", None, {"a": 3, "b": 2, "c": 1.5, "w": 2}),
    Case("unary_minus", "l = --x*-(-(-y)) - -z", None, {"x": 3, "y": 2, "z": 1.5}),
    Case("minus_power", "l = -x**2 + (-x)**2 * y - (-(x + y))**3", None, {"x": 3, "y": 2}),
    Case("minus_quotient", "l = -(a/b) + (-a)/b - a/-c", None, {"a": 3, "b": 2, "c": 1.5}),
    Case("minus_of_sum", "l = -(a + b) - (a - b)*-c", None, {"a": 3, "b": 2, "c": 1.5}),
    # numbers
    Case("decimals", "l = 0.1*w + 1e-3*w**2 - 2.0*x*w + w*0.1", None, {"w": 1.5, "x": 3}),
    Case("extreme_numbers", "l = 1e10*w + 1e-7*x*w + 123456789*x", None, {"w": 2, "x": 3}),
    Case("rationals", "l = 1/2*x + x/3 - 2/3*x*y + (3/4)*y", None, {"x": 1.5, "y": 2}),
    Case("constants_only", "l = x**2/sqrt(2*pi) + exp(1)*x + log(2)", None, {"x": 1.5}),
    Case("number_of_three", "l = (x + 1)/3 + 3*(x/6) + x*2*5", None, {"x": 1.5}),
    # wide and deep
    Case("long_chain", _chain(20), ("w", "x"), {"w": 0.75, "x": 1.5}),
    Case("short_chain", _chain(4), ("w",), {"w": 0.75, "x": 1.5}),
    Case("logistic_map", _logistic_map(12), ("r", "x"), {"r": 3.5, "x": 0.3}),
    Case("wide_sum", _wide_sum(30), ("w",), {"w": 0.5, **{f"c{i}": i / 8 for i in range(1, 31)}}),
    Case("eight_paths", "a = w*x; b = w + x; c = a*b; d = a + b; e = c*d; l = e**2", ("w",), {"w": 0.5, "x": 1.5}),
    # names
    Case("name_clash", "dl_dw = 2*w; l = (dl_dw*x - y)**2", ("w", "x"), {"w": 1.5, "x": 2, "y": 1}),
    Case("name_clash_leaf", "l = dl_dw*w**2 + w", ("w", "dl_dw"), {"w": 1.5, "dl_dw": 2}),
    Case("name_clash_partial", "y = w*x; l = y*dy_dw + py_pw*w", ("w",), {"w": 1.5, "x": 2, "dy_dw": 3, "py_pw": 0.5}),
    Case(
        "single_letters",
        "l = gamma*S + beta*E - lambda*I + N*O",
        None,
        {
            "gamma": 1.5,
            "S": 2,
            "beta": 0.5,
            "E": 3,
            "lambda": 0.25,
            "I": 4,
            "N": 2,
            "O": 5,
        },
    ),
    Case("greek_and_accents", "ŷ = σ*x + β; l = (ŷ - y)**2/σ", ("σ", "β"), {"σ": 1.5, "x": 2, "β": 0.25, "y": 1}),
    Case("function_names", "exp = x*log1; l = exp**2 + sin1*exp", None, {"x": 1.5, "log1": 2, "sin1": 3}),
    Case(
        "subscripts", "l = (w_1*x_max + theta_hat - y0)**2", None, {"w_1": 1.5, "x_max": 2, "theta_hat": 0.5, "y0": 1}
    ),
    Case("letters_spell_a_name", "ab = a + b; l = c*a*b + c*ab", ("c", "a"), {"a": 1.5, "b": 2, "c": 0.5}),
    Case(
        "letters_spell_a_function", "l = w*e*x*p*(a + b)", ("w",), {"w": 1.5, "e": 2, "x": 0.5, "p": 3, "a": 1, "b": 2}
    ),
    Case("names_alike_in_latex", "l = w1*a + w_1*b", ("a", "b"), {"w1": 1.5, "w_1": 2, "a": 0.5, "b": 3}),
    # by whom
    Case("wrt_intermediate", "z = w*x; a = tanh(z); l = a**2 + a", ("z", "w"), {"w": 0.5, "x": 1.5}),
    Case("wrt_output", "a = w*x; l = a**2", ("l", "a"), {"w": 0.5, "x": 1.5}),
    Case("wrt_absent", "u: (); a = w*x; l = a**2", ("w", "u"), {"w": 0.5, "x": 1.5, "u": 2}),
    Case("zero_times", "l = 0*u + w**2", ("u", "w"), {"u": 2, "w": 1.5}),
    # elementary functions, each at least once
    Case("exp_log", "l = exp(w*x) + log(w + x) + log1p(w) + expm1(x)", None, {"w": 0.5, "x": 1.5}),
    Case("circular", "l = sin(x)*cos(y) + tan(x*y)", None, {"x": 0.5, "y": 0.75}),
    Case("reciprocal_circular", "l = sec(x) + csc(y) - cot(x*y)", None, {"x": 0.5, "y": 0.75}),
    Case("inverse_circular", "l = asin(x) + acos(y) + atan(x*y)", None, {"x": 0.5, "y": 0.25}),
    Case("hyperbolic", "l = sinh(x) + cosh(y) + tanh(x*y)", None, {"x": 0.5, "y": 0.75}),
    Case("inverse_hyperbolic", "l = asinh(x) + acosh(y) + atanh(x/y)", None, {"x": 0.5, "y": 1.75}),
    Case("two_arguments", "l = atan2(y, x) + hypot(x, y)", None, {"x": 1.5, "y": 2}),
    Case("error_functions", "l = erf(x) + erfc(y)*x", None, {"x": 0.5, "y": 0.75}),
    Case("log_gamma", "l = lgamma(x)*y", None, {"x": 2.5, "y": 2}),
    Case("digamma", "l = digamma(x)*y", None, {"x": 2.5, "y": 2}),
    Case("polygamma", "l = polygamma(1, x)*y", None, {"x": 2.5, "y": 2}),
    Case("sigmoid_softplus", "l = sigmoid(x)*softplus(y)", None, {"x": 0.5, "y": 0.75}),
    Case("relu_family", "l = relu(x) + leaky_relu(y) + elu(z) + selu(x*y)", None, {"x": 1.5, "y": -2, "z": -0.5}),
    Case("smooth_relus", "l = gelu(x) + silu(y) + mish(z)", None, {"x": 0.5, "y": -0.75, "z": 1.5}),
    Case("sign_and_abs", "l = abs(x)*y + sign(x)*y", None, {"x": -1.5, "y": 2}),
    Case(
        "max_and_min", "l = max(x, y)**2 + min(x, z) + maximum(y, z)*minimum(x, y)", None, {"x": 1.5, "y": 2, "z": -1}
    ),
    Case("max_of_three", "l = max(x, y, z)**2", None, {"x": 1.5, "y": 2, "z": -1}),
    # cases
    Case("where_huber", "e = x*w - y; l = where(abs(e) <= 1, e**2/2, abs(e) - 1/2)", ("w",), {"x": 3, "y": 6, "w": 1}),
    Case("hinge", "m = y*(w*x + b); l = max(0, 1 - m)", ("w", "b"), {"x": 0.5, "y": -1, "w": 1.5, "b": 0.25}),
    Case(
        "where_comparisons",
        "l = where(x > y, x*y, x/y) + where(x == y, 1, x) + where(x != z, z**2, x) + where(y < z, x, y)",
        None,
        {
            "x": 1.5,
            "y": 2,
            "z": -1,
        },
    ),
    Case("where_nested", "l = where(x < 0, -x, where(x >= 1, x**2, x))*w", None, {"x": 1.5, "w": 2}),
    Case("where_in_product", "l = 2*where(x > 0, x + y, x - y)**2 - y", None, {"x": 1.5, "y": 2}),
    Case("relu_at_kink", "z = w*x; l = relu(z) + w", ("w",), {"w": 0.0, "x": 2}),
    Case("leaky_relu_at_kink", "z = w*x; l = leaky_relu(z) + w", ("w",), {"w": 0.0, "x": 2}),
    Case("selu_at_kink", "z = w*x; l = selu(z)*x", ("w",), {"w": 0.0, "x": 2}),
    Case("abs_at_kink", "e = w - y; l = abs(e)*x", ("w",), {"w": 1.5, "y": 1.5, "x": 2}),
    Case("sign_at_kink", "e = w - y; l = sign(e)*x", ("w", "x"), {"w": 1.5, "y": 1.5, "x": 2}),
    Case("max_at_kink", "l = max(x, y)*w", None, {"x": 1.5, "y": 1.5, "w": 2}),
    Case("min_at_kink", "l = min(x, y)*w", None, {"x": 1.5, "y": 1.5, "w": 2}),
    Case("where_at_kink", "l = where(x > 0, x**2, 3*x)*w", None, {"x": 0.0, "w": 2}),
    # losses of the trade
    Case(
        "gaussian_nll",
        "l = log(sigma) + (y - mu)**2/(2*sigma**2) + log(2*pi)/2",
        ("mu", "sigma"),
        {
            "sigma": 1.5,
            "y": 2,
            "mu": 0.5,
        },
    ),
    Case("softmax_loss", "s = exp(a) + exp(b) + exp(c); l = log(s) - b", ("a", "b"), {"a": 0.5, "b": 1, "c": -0.5}),
    Case("where_inside_max", "min(abs(-z), -where(x <= 3, z, y))", None, {"x": 0.5, "y": 0.25, "z": 0.75}),
    Case(
        "where_of_where",
        "where(where(x > 0, x, y) > where(y > 1, 2, z), relu(where(x > y, x, z)), max(where(x > 0, x, y), y))",
        None,
        {"x": 0.5, "y": 0.25, "z": 0.75},
    ),
    Case(
        "batch_norm",
        "m = (a + b)/2; v = ((a - m)**2 + (b - m)**2)/2; l = gamma*(a - m)/sqrt(v + 1e-3) + beta",
        ("a", "gamma"),
        {
            "a": 1.5,
            "b": -0.5,
            "gamma": 2,
            "beta": 0.25,
        },
    ),
)

BY_NAME = {case.name: case for case in CASES}
