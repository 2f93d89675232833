"""The ``wherry`` command line."""

import sys


def main() -> None:
    """Run the command line; without typer and rich, print how to install them."""
    try:
        from wherry_client.cli.commands import app
    except ModuleNotFoundError as error:
        if error.name not in {"typer", "rich"}:
            raise
        sys.stderr.write(
            "The command line needs two more packages: pip install 'wherry-client[cli]'\n"
        )
        raise SystemExit(3) from None
    app()
