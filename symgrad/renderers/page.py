"""A page of HTML around what was printed: one file, readable without a script, in light, dark and print."""

from __future__ import annotations

from symgrad.renderers.mathml_pieces import escaped

STYLE = """\
.symgrad { --faint: color-mix(in srgb, currentColor 14%, transparent);
  --quiet: color-mix(in srgb, currentColor 66%, transparent);
  --mark: color-mix(in srgb, #e0a000 26%, transparent); --good: #14804a; --bad: #c22f2f; line-height: 1.5; }
.symgrad math { font-family: "Latin Modern Math", "STIX Two Math", "Cambria Math", math; font-size: 1.08em; }
.symgrad td > math { min-width: max-content; }
.symgrad math mtable.cases > mtr > mtd { text-align: left; padding-right: 0.8em; }
.symgrad math .ones { font-weight: bold; }
.symgrad .scroll { overflow: auto hidden; max-width: 100%; padding: 0.15em 0 0.3em; }
.symgrad table { border-collapse: collapse; margin: 0.3em 0; font-size: inherit; }
.symgrad th, .symgrad td { padding: 0.22em 0.5em 0.22em 0; text-align: left; vertical-align: baseline;
  font-weight: normal; background: none; border: 0; }
.symgrad .equations th { text-align: right; padding-right: 0.25em; white-space: nowrap; }
.symgrad .equations .local th { padding-left: 1.2em; }
.symgrad .equations .path th { text-align: left; }
.symgrad .note, .symgrad .shape, .symgrad .path th, .symgrad .legend { color: var(--quiet); }
.symgrad .note { padding-left: 1.4em; font-size: 0.93em; min-width: 9em; max-width: 26em; }
.symgrad .shape { padding-left: 1.2em; white-space: nowrap; font-size: 0.93em; }
.symgrad .value { padding-left: 1.2em; white-space: nowrap; font-variant-numeric: tabular-nums; }
.symgrad .blank { display: inline-block; white-space: nowrap; padding: 0.45em 0; }
.symgrad .blank > .rule { display: inline-block; width: 15em; margin-left: 0.3em; border-bottom: 1px solid; }
.symgrad .blank.short > .rule { width: 6em; }
.symgrad .solutions > summary { font-size: 1.2em; font-weight: bold; margin-top: 1em; }
.symgrad .blank:has(+ .blank), .symgrad .blank + .blank { display: block; }
.symgrad tr:has(.blank + .blank) .value { vertical-align: bottom; }
.symgrad .key .value { padding-right: 1.2em; }
.symgrad .value.listed { white-space: normal; min-width: 16em; }
.symgrad .numbers th, .symgrad .numbers td { border-bottom: 1px solid var(--faint); padding: 0.22em 1em 0.22em 0.2em; }
.symgrad .equations tr:has(mfrac, munder) > *, .symgrad .numbers tr:has(mfrac) > * {
  padding-top: 0.5em; padding-bottom: 0.5em; }
.symgrad .numbers .number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.symgrad .numbers thead th { color: var(--quiet); font-size: 0.93em; }
.symgrad details > summary { cursor: pointer; padding: 0.2em 0 0.3em; overflow: auto hidden; white-space: nowrap; }
.symgrad details > summary:focus-visible, .symgrad a:focus-visible {
  outline: 2px solid currentColor; outline-offset: 2px; }
.symgrad h2, .symgrad h3 { line-height: 1.25; }
.symgrad h2 { font-size: 1.2em; margin: 1.4em 0 0.3em; }
.symgrad h3 { font-size: 1em; margin: 0.9em 0 0.2em; }
.symgrad p { margin: 0.4em 0; }
.symgrad .passed { color: var(--good); } .symgrad .failed { color: var(--bad); }
@media (max-width: 40rem) {
  .symgrad .note { white-space: nowrap; max-width: none; } .symgrad .blank > .rule { width: 10em; }
  .symgrad .value.listed { white-space: nowrap; min-width: 0; }
}
@media (prefers-color-scheme: dark) { .symgrad { --good: #5fd08c; --bad: #ff8a80; } }
"""
"""For a fragment in a page of any colours: it takes the text's own colour and shades of it."""

PAGE_STYLE = """\
:root { color-scheme: light dark; }
body { margin: 0; background: #fdfdfc; color: #1c1d21; font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1rem 1.25rem 3rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0.6em 0; }
footer { margin-top: 2.5em; font-size: 0.88em; color: var(--quiet); }
@media (prefers-color-scheme: dark) { body { background: #17181c; color: #e6e6e3; } }
@media (max-width: 40rem) { main { padding: 0.5rem 0.9rem 2rem; } body { font-size: 0.97rem; } }
"""

PRINT_STYLE = """\
@media print {
  body { background: #fff; color: #000; font-size: 10.5pt; } main { max-width: none; padding: 0; }
  .symgrad .scroll { overflow: visible; } .symgrad tr, .symgrad figure { break-inside: avoid; }
  .symgrad h2, .symgrad h3, .symgrad summary { break-after: avoid; }
  .symgrad section ~ section:has(.key) { break-before: page; }
  .symgrad .solutions > summary { list-style: none; }
  .symgrad details > summary { overflow: visible; white-space: normal; }
  .symgrad th, .symgrad td { vertical-align: middle; } .symgrad .scroll + p { break-before: avoid; }
  .symgrad figure svg.chart { width: 68%; }
  .symgrad details::details-content { content-visibility: visible; display: block; block-size: auto; }
}
"""
"""On paper nothing scrolls and nothing is folded; it comes last, so that it overrides what is for screens."""

FIGURE_STYLE = """\
.symgrad figure { margin: 1.2em 0; } .symgrad figcaption { color: var(--quiet); font-size: 0.9em; }
.symgrad svg [tabindex]:focus { outline: none; }
.symgrad svg [tabindex]:is(:hover, :focus) .box { stroke: #e0a000; stroke-width: 2.5; }
@media (max-width: 40rem) {
  .symgrad figure svg.chart { font-size: 18px; }
}
@media print {
  .symgrad figcaption { display: none; } .symgrad figure svg.symgrad-graph { min-width: 0 !important; }
}
"""
"""Pictures whose nodes can be pointed at."""


RESET = """\
.symgrad table { table-layout: auto; } .symgrad tr { background: none !important; }
.symgrad th, .symgrad td { white-space: normal; }
"""
"""Against what a notebook's own style makes of tables: stripes, columns of one width, everything to the right."""


def fragment(content: str) -> str:
    """Printed blocks for a page of someone else's, with their style, whose rules outweigh those of that page."""
    style = (RESET + STYLE).replace(".symgrad ", ".symgrad.symgrad ")
    return f'<div class="symgrad">\n<style>\n{style}</style>\n{content}\n</div>'


def page(title: str, content: str, style: str = "") -> str:
    """A whole page, without a newline at its end."""
    return f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<title>{escaped(title)}</title>
<style>
{PAGE_STYLE}{STYLE}{style}{PRINT_STYLE}</style>
</head>
<body class="symgrad">
<main>
<h1>{escaped(title)}</h1>
{content}
</main>
</body>
</html>"""
