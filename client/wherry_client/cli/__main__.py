"""``python -m wherry_client.cli`` runs ``wherry``."""

from wherry_client.cli import main

main()
