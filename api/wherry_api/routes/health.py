"""GET /health and /health/ready."""

from fastapi import APIRouter, Response

from wherry_api.dependencies import AppComponents
from wherry_api.openapi.schemas import Health

router = APIRouter(tags=["health"])


@router.head("/health", include_in_schema=False)
@router.get("/health", summary="Whether the process lives", response_model=Health)
async def health(components: AppComponents) -> Health:
    """Answer 200 while the process can answer: a restart would not bring Redis back."""
    return components.readiness.health()[1]


@router.head("/health/ready", include_in_schema=False)
@router.get(
    "/health/ready",
    summary="Whether requests should be sent here",
    response_model=Health,
    responses={503: {"model": Health, "description": "Draining, or nothing it needs is up"}},
)
async def ready(components: AppComponents, response: Response) -> Health:
    """Answer 503 while draining, or with both Redis and Kubernetes down."""
    is_ready, document = components.readiness.health()
    response.status_code = 200 if is_ready else 503
    return document
