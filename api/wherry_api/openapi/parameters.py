"""Parameters of the routes that read them without FastAPI, for the OpenAPI document."""

from typing import Any, Final

from wherry_api.dependencies import (
    JOB_ID_MEANING,
    MAX_TENANT_LENGTH,
    TENANT_HEADER,
    TENANT_MEANING,
)

Parameter = dict[str, Any]


def header(name: str, description: str, **limits: Any) -> Parameter:
    """Return an optional header; ``limits`` are JSON Schema keywords."""
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {
            "anyOf": [{"type": "string", **limits}, {"type": "null"}],
            "title": name,
            "description": description,
        },
    }


TENANT: Final = header(TENANT_HEADER, TENANT_MEANING, maxLength=MAX_TENANT_LENGTH)
JOB_ID: Final[Parameter] = {
    "name": "jobId",
    "in": "path",
    "required": True,
    "description": JOB_ID_MEANING,
    "schema": {"type": "string", "title": "Jobid", "description": JOB_ID_MEANING},
}
