"""Referees that fail differently: torch autograd, a rigorous recomputation of every step, and the seed."""

from symgrad.checks.verification import verify

__all__ = ["verify"]
