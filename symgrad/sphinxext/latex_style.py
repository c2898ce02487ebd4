"""The LaTeX package of derivations: an environment, a caption with a number, a picture, Greek letters."""

from __future__ import annotations

from symgrad.renderers.latex_drawing import DRAWING_PREAMBLE
from symgrad.renderers.plain_names import COMMANDS

_CHARACTERS = {**COMMANDS, "≈": "approx", "≤": "le", "≥": "ge", "≠": "ne"}
"""Characters that pdfLaTeX would stop at."""

_DECLARATIONS = "\n".join(
    rf"\symgradcharacter{{{character}}}{{{ord(character):04X}}}{{\{command}}}"
    for character, command in _CHARACTERS.items()
)

_DRAWING = "\n".join(DRAWING_PREAMBLE)

STYLE = rf"""\NeedsTeXFormat{{LaTeX2e}}
\ProvidesPackage{{symgrad}}
\RequirePackage{{amsmath,graphicx,xcolor}}
\ifdefined\DeclareUnicodeCharacter
\newcommand{{\symgradcharacter}}[3]{{\ifcsname u8:\detokenize{{#1}}\endcsname\else
\DeclareUnicodeCharacter{{#2}}{{\ensuremath{{#3}}}}\fi}}
{_DECLARATIONS}
\fi
\ifdefined\thechapter
\newcounter{{symgradderivation}}[chapter]
\renewcommand{{\thesymgradderivation}}{{\ifnum\c@chapter>\z@\thechapter.\fi\@arabic\c@symgradderivation}}
\else
\newcounter{{symgradderivation}}
\fi
\newenvironment{{symgradderivation}}{{\par\addvspace{{\medskipamount}}\allowdisplaybreaks
\setlength{{\parindent}}{{0pt}}}}{{\par\addvspace{{\medskipamount}}}}
\newcommand{{\symgradcaption}}[3]{{\refstepcounter{{symgradderivation}}#1%
\textbf{{#2.}} #3}}
\newcommand{{\symgraddisplayed}}{{\vspace{{-\baselineskip}}}}
\newcommand{{\symgradpicture}}[1]{{\par\medskip#1\par\medskip}}
{_DRAWING}
"""
