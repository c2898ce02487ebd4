"""What the benchmarks hold: each floor is one named number, and a run that misses one exits with an error."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Floor:
    """A bound on a ratio: at most so much, or at least."""

    bound: float
    at_least: bool = False

    def met_by(self, ratio: float) -> bool:
        """Whether a ratio keeps the bound."""
        return ratio >= self.bound if self.at_least else ratio <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:,g}"


def at_most(bound: float) -> Floor:
    """Times as long, times as much: no more than this."""
    return Floor(bound)


def at_least(bound: float) -> Floor:
    """Times as fast: no less than this."""
    return Floor(bound, at_least=True)


# times as fast a step as torch eager, and times as long as C
SEED_JIT = at_least(1000)
SEED_NUMPY = at_least(50)
SEED_JIT_BESIDE_C = at_most(1.3)

# times as long a gradient as C, and as torch eager
MIXTURE_BESIDE_C = at_most(1.0)
MIXTURE_SMALL = at_most(0.15)
MIXTURE_LARGE = at_most(0.6)
ADJUSTMENT_BESIDE_C = at_most(0.8)
ADJUSTMENT = at_most(0.1)
NETWORK_TORCH = at_most(0.95)
NETWORK_NUMPY = at_most(1.3)
SMALL_NETWORK_TORCH = at_most(1.03)
"""Where the time is mostly calls of torch; 0.03 is how far the median of two equal programs strays."""

GRADIENT_TO_OBJECTIVE = at_most(3)

# parts of the bandwidth of memcpy, bytes read and written both counted
BANDWIDTH_JIT = at_least(0.85)
BANDWIDTH_NUMPY = at_least(0.25)

# times the bytes of inputs, outputs and what torch keeps for its backward pass
MEMORY = at_most(2)

# seconds, the floors on a time
DERIVED_NETWORK_SECONDS = at_most(0.5)
COMPILED_BATCH_SECONDS = {1_000: at_most(0.3), 10_000: at_most(0.2)}
"""For each thousand operations of a program of so many, on a batch, lowered and compiled and called once."""

# the exponent of the size in the time of a stage, from 1,000 to 10,000 nodes
EXPONENT = at_most(1.2)

# times as long as an import that cannot be done without
HELP = at_most(1.6)
DERIVE = at_most(1.5)
IMPORT = at_most(1.5)
"""`import symgrad` with what `derive` needs, beside `import sympy`."""
