"""`python -m dout`."""

from dout.cli import main

main()
