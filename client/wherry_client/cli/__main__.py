"""``python -m wherry_client.cli``: the same as ``wherry``."""

from wherry_client.cli import main

main()
