"""How a picture looks: colours by what they mean, in light and dark, and as little else as possible."""

from __future__ import annotations

MARGIN = 12.0
"""Around the picture, and between the graph and its legend."""

LIGHT = {
    "ink": "#1f2328",
    "soft": "#57606a",
    "line": "#6e7781",
    "faint": "#afb8c1",
    "ground": "#ffffff",
    "input": "#f3f4f6",
    "parameter": "#e3effc",
    "parameter-line": "#0a5cad",
    "output": "#e6f4ea",
    "output-line": "#1a6f37",
    "backward": "#a3281f",
    "highlight": "#b45309",
}

DARK = {
    "ink": "#e6edf3",
    "soft": "#a5afb9",
    "line": "#8b949e",
    "faint": "#59626c",
    "ground": "#161b22",
    "input": "#21262d",
    "parameter": "#12294a",
    "parameter-line": "#6cb0ff",
    "output": "#12301d",
    "output-line": "#5bc27a",
    "backward": "#ff9a8f",
    "highlight": "#f0a63a",
}


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())


_RULES = (
    ("text", "fill:var(--ink);text-anchor:middle"),
    (".legend text", "fill:var(--ink);text-anchor:start;font-size:11px"),
    (".node .box", "fill:var(--ground);stroke:var(--line);stroke-width:1.2"),
    (".node .frame", "fill:none;stroke:var(--output-line);stroke-width:1"),
    (".node.input .box", "fill:var(--input);stroke:var(--soft)"),
    (".node.parameter .box", "fill:var(--parameter);stroke:var(--parameter-line)"),
    (".node.output .box", "fill:var(--output);stroke:var(--output-line)"),
    (".node.inserted .box", "stroke-dasharray:3 2.5"),
    (".node .name", "font-weight:600"),
    (".node .shape", "fill:var(--soft);font-size:11px;font-weight:400"),
    (".node .adjoint", "fill:var(--backward)"),
    (".edge .line", "fill:none;stroke:var(--line);stroke-width:1.3"),
    (".edge .head", "fill:var(--line)"),
    (".edge.faint .line", "stroke:var(--faint)"),
    (".edge.faint .head", "fill:var(--faint)"),
    (".label rect", "fill:var(--ground);stroke:var(--faint);stroke-width:.6"),
    (".label text", "fill:var(--backward);font-size:11px"),
    (".node.highlighted .box", "stroke:var(--highlight);stroke-width:3;stroke-dasharray:none"),
    (".edge.highlighted .line", "stroke:var(--highlight);stroke-width:3"),
    (".edge.highlighted .head", "fill:var(--highlight)"),
    (".label.highlighted rect", "stroke:var(--highlight);stroke-width:1.2"),
)

_OWN = ".symgrad-graph"
_FONT = 'system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",Arial,sans-serif'

STYLE = "\n".join(
    [
        "",
        f"{_OWN}{{max-width:100%;height:auto;font-family:{_FONT};{_variables(LIGHT)}}}",
        f"@media screen and (prefers-color-scheme:dark){{{_OWN}{{{_variables(DARK)}}}}}",
        *(f"{_OWN} {selector}{{{rule}}}" for selector, rule in _RULES),
        "",
    ]
)
"""The style sheet; dark is for screens alone, so that paper gets dark ink."""
