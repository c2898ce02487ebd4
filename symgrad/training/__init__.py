"""Gradient descent by the derived gradient."""

from symgrad.training.loop import train

__all__ = ["train"]
