"""`python -m tieout`."""

from tieout.serve.cli import main

main()
