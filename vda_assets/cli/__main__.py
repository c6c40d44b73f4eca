"""`python -m vda_assets.cli` is `vda`."""

from vda_assets.cli.main import main

main()
