"""GET /health and /health/ready."""

from fastapi import APIRouter, Response

from wherry_api.dependencies import AppComponents
from wherry_api.openapi.schemas import Health

router = APIRouter(tags=["health"])


@router.head("/health", include_in_schema=False)
@router.get("/health", summary="Check whether the process is alive", response_model=Health)
async def health(components: AppComponents) -> Health:
    """Answer 200 while the process runs, because a restart would not repair its dependencies."""
    return components.readiness.health()[1]


@router.head("/health/ready", include_in_schema=False)
@router.get(
    "/health/ready",
    summary="Check whether requests should be sent here",
    response_model=Health,
    responses={
        503: {
            "model": Health,
            "description": "Draining, or both Redis and Kubernetes are unavailable",
        }
    },
)
async def ready(components: AppComponents, response: Response) -> Health:
    """Answer 503 while draining, or while both Redis and Kubernetes are unavailable."""
    is_ready, document = components.readiness.health()
    response.status_code = 200 if is_ready else 503
    return document
