"""The OpenAPI 3.1 document: FastAPI's, completed with what FastAPI does not know."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from wherry_api.http.error_renderer import MEDIA_TYPE
from wherry_api.openapi.schemas import Initiate
from wherry_api.routes.stream import EVENT_MODELS

DESCRIPTION = """Bundles stored files into one archive for download.

Post file ids, watch the job by its stream or by polling, then download the archive. Errors are
problem documents (RFC 9457); docs/api.md lists their types."""


def build(app: FastAPI) -> dict[str, Any]:
    """Return the document of ``app``."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=DESCRIPTION,
        routes=app.routes,
        openapi_version="3.1.0",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    schemas = document["components"]["schemas"]
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = [(Initiate, "validation")]
    models.extend((model, "serialization") for model in EVENT_MODELS.values())
    _, more = models_json_schema(
        models,
        ref_template="#/components/schemas/{model}",
    )
    for name, schema in more["$defs"].items():
        schemas.setdefault(name, schema)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    document["components"]["securitySchemes"] = {
        "HTTPBearer": {"type": "http", "scheme": "bearer"},
        "APIKeyHeader": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    for path in document["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                _only_problems(status, response)
    return document


def _only_problems(status: str, response: dict[str, Any]) -> None:
    """Move the schema of errors from plain JSON, where FastAPI puts it, to problem documents."""
    content = response.get("content", {})
    if MEDIA_TYPE in content and int(status) >= 400:
        schema = content.pop("application/json", {}).get("schema")
        if schema is not None:
            content[MEDIA_TYPE]["schema"] = schema
