"""A hand-made derivative judged: equal or not, decided by certified points, and what is wrong with it."""

from symgrad.answers.comparison import check

__all__ = ["check"]
