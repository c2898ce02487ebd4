"""Values given by name on the command line."""

from symgrad.readers.values import Value, arrays, assignments, number, value, values

__all__ = ["Value", "arrays", "assignments", "number", "value", "values"]
