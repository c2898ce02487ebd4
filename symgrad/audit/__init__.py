"""torch's own derivatives against certified values: a table of operations, their points, and classes of findings."""

from __future__ import annotations

from symgrad.audit.survey import DTYPES, examine

__all__ = ["DTYPES", "examine"]
