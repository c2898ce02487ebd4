"""The chain rule, applied symbolically: local rules, the derivation, and the forms it is told in."""

from symgrad.calculus.chain import derive
from symgrad.calculus.second import hessian, hvp

__all__ = ["derive", "hessian", "hvp"]
