"""`python -m localmesh.stub`."""

from localmesh.stub.server import main

main()
