"""The problems that a route may answer with, for the OpenAPI document."""

from typing import Any, Final

from wherry_api.http import problems
from wherry_api.http.error_renderer import MEDIA_TYPE
from wherry_api.http.problems import ProblemType
from wherry_api.openapi.schemas import Problem

SECURITY: Final[dict[str, Any]] = {"security": [{"HTTPBearer": []}, {"APIKeyHeader": []}, {}]}
OF_ONE_JOB: Final = (
    problems.UNAUTHENTICATED,
    problems.JOB_NOT_FOUND,
    problems.JOB_EXPIRED,
    problems.INVALID_REQUEST,
    problems.RATE_LIMITED,
    problems.UNAVAILABLE,
)
"""Problems of every route that names one job."""


def answers(*kinds: ProblemType) -> dict[int | str, dict[str, Any]]:
    """Return the ``responses`` of a route that may answer with ``kinds``, with examples."""
    by_status: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        response = by_status.setdefault(
            kind.status,
            {
                "model": Problem,
                "description": kind.title,
                "content": {MEDIA_TYPE: {"examples": {}}},
            },
        )
        if kind.title not in response["description"]:
            response["description"] += f"; {kind.title[0].lower()}{kind.title[1:]}"
        response["content"][MEDIA_TYPE]["examples"][kind.slug] = {
            "value": {
                "type": kind.uri,
                "title": kind.title,
                "status": kind.status,
                "detail": f"{kind.title}.",
            }
        }
        if kind.status in {429, 503}:
            response["headers"] = {
                "Retry-After": {
                    "description": "Seconds after which to retry",
                    "schema": {"type": "string", "pattern": "^[0-9]+$"},
                }
            }
    return by_status
