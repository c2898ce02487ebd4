"""The LaTeX package of derivations: an environment, a caption with a number, a picture, Greek letters."""

from __future__ import annotations

from symgrad.renderers.latex_drawing import DRAWING_PREAMBLE

_LETTERS = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "varepsilon", "ϵ": "epsilon", "ζ": "zeta", "η": "eta",
    "θ": "theta", "ϑ": "vartheta", "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi",
    "ρ": "rho", "ς": "varsigma", "σ": "sigma", "τ": "tau", "υ": "upsilon", "φ": "varphi", "ϕ": "phi", "χ": "chi",
    "ψ": "psi", "ω": "omega", "Γ": "Gamma", "Δ": "Delta", "Θ": "Theta", "Λ": "Lambda", "Ξ": "Xi", "Π": "Pi",
    "Σ": "Sigma", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega", "∂": "partial", "·": "cdot", "→": "to", "≈": "approx",
    "⊙": "odot", "≤": "le", "≥": "ge", "≠": "ne",
}  # fmt: skip
"""Characters that pdfLaTeX would stop at."""

_DECLARATIONS = "\n".join(
    rf"\symgradcharacter{{{character}}}{{{ord(character):04X}}}{{\{letter}}}" for character, letter in _LETTERS.items()
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
