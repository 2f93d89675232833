"""The page at /, built from web/app into this package: installing Wherry needs no Node.js."""

from pathlib import Path
from typing import Final

from wherry_api.http import static_files
from wherry_api.http.static_files import StaticFile

FOLDER: Final = Path(__file__).parents[1] / "static"
POLICY: Final = "; ".join(
    (
        *static_files.CLOSED,
        "img-src 'self'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)


def read(folder: Path = FOLDER) -> dict[str, StaticFile]:
    """Return the files by URL path; empty when the page was not built."""
    return static_files.read(folder, document="/", below="/", policy=POLICY)
