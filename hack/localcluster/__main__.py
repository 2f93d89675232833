"""The command line of the local cluster.

    PYTHONPATH=hack python3 -m localcluster COMMAND

Run with --help for the commands. Results go to standard output, progress to standard error.
"""

from __future__ import annotations

import sys

from localcluster import cli

if __name__ == "__main__":
    sys.exit(cli.main(sys.argv[1:]))
