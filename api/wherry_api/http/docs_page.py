"""The page at /docs: the OpenAPI document in Swagger UI.

The files are those of the npm package swagger-ui-dist, unchanged, with an HTML file and a script
of Wherry's own. They are part of this package, so that /docs works without internet access and no
other host learns who reads it.
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
        # The icons are in the style sheet.
        "img-src 'self' data:",
    )
)


def read(folder: Path = FOLDER) -> dict[str, StaticFile]:
    """Return the files by URL path."""
    return static_files.read(folder, document="/docs", below="/docs/", policy=POLICY)
