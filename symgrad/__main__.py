"""`python -m symgrad` is `symgrad`."""

from symgrad.cli import main

main()
