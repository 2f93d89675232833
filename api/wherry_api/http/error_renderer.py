"""Renders every error as a problem document (RFC 9457)."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from wherry_api.http import problems
from wherry_api.http.problems import ProblemError, ProblemType

MEDIA_TYPE = "application/problem+json"


def render(error: ProblemError) -> Response:
    """Return the response for ``error``."""
    return Response(
        orjson.dumps(error.document()),
        status_code=error.kind.status,
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", **error.headers},
    )


def of_validation(error: RequestValidationError) -> ProblemError:
    """Return the problem for parameters that FastAPI rejects."""
    errors = []
    for item in error.errors():
        kind, *path = (str(part) for part in item["loc"])
        name = ".".join(path)
        member = {"query": "parameter", "header": "header"}.get(kind, "pointer")
        errors.append({member: name, "detail": item["msg"]})
    first = errors[0]
    where = next(value for key, value in first.items() if key != "detail")
    return ProblemError(problems.INVALID_REQUEST, f"{where}: {first['detail']}.", errors=errors)


def of_http(error: HTTPException) -> ProblemError:
    """Return the problem for an error of the framework."""
    known = {404: problems.NOT_FOUND, 405: problems.METHOD_NOT_ALLOWED}
    kind = known.get(error.status_code) or ProblemType(
        f"http-{error.status_code}", error.status_code, HTTPStatus(error.status_code).phrase
    )
    detail = {
        404: "No route has this path. The routes are listed at /docs.",
        405: "This route does not support the method. The Allow header lists those it supports.",
    }.get(error.status_code, str(error.detail))
    headers: Mapping[str, str] = error.headers or {}
    return ProblemError(kind, detail, headers=headers)


def allowed_methods(paths: Mapping[str, Mapping[str, Any]], path: str) -> list[str]:
    """Return the methods of all routes that match ``path``; the framework knows those of one."""
    if path not in paths:
        fitting = [
            operations
            for template, operations in paths.items()
            if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), path)
        ]
    else:
        fitting = [paths[path]]
    return sorted({method.upper() for operations in fitting for method in operations})


def install(app: FastAPI) -> None:
    """Have ``app`` answer every error with a problem document."""

    async def on_problem(_: Request, error: Any) -> Response:
        return render(error)

    async def on_validation(_: Request, error: Any) -> Response:
        return render(of_validation(error))

    async def on_http(request: Request, error: Any) -> Response:
        problem = of_http(error)
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            methods = allowed_methods(app.openapi()["paths"], request.url.path)
            # Static files are not in the document; the framework's own header is right for them.
            problem.headers["Allow"] = ", ".join(methods) or problem.headers.get("Allow", "")
        return render(problem)

    app.add_exception_handler(ProblemError, on_problem)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
