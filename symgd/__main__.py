"""``python -m symgd`` is the command ``symgd``."""

from symgd.cli import main

main()
