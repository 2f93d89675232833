"""Run the archive engine's benchmark: ``python -m tests.bench.archive``."""

from tests.bench.archive.archive_throughput import main

main()
