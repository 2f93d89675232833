"""The page at /docs: the API's description, to read and to try out, in Swagger UI.

The files are those of the npm package swagger-ui-dist in the version below, unchanged, beside a
document and a script of ours. They lie in this package, so that /docs works where there is no
internet, and no other host learns who reads it.
"""

from pathlib import Path
from typing import Final

from wherry_api.http import static_files
from wherry_api.http.static_files import StaticFile

VERSION: Final = "5.35.0"
FOLDER: Final = Path(__file__).parents[1] / "swagger_ui"
POLICY: Final = "; ".join(
    (
        *static_files.CLOSED,
        # Its style sheet has its icons within.
        "img-src 'self' data:",
    )
)


def read(folder: Path = FOLDER) -> dict[str, StaticFile]:
    """Return the files by their URL path."""
    return static_files.read(folder, document="/docs", below="/docs/", policy=POLICY)
