"""``RunnerPool``: how many runner pods may live, and how they look."""

from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field

from wherry_core.resources.base import API_VERSION, Condition, ResourceModel
from wherry_core.resources.download_job import INT32, Int32, Int64
from wherry_core.resources.object_meta import ObjectMeta

RUNNER_POOLS: Final = "runnerpools"


class PodTemplate(ResourceModel):
    """A pod template; only admins may write pools, so it is taken as it is."""

    metadata: Annotated[
        dict[str, Any],
        Field(
            default_factory=dict, json_schema_extra={"x-kubernetes-preserve-unknown-fields": True}
        ),
    ]
    """Labels and annotations of every runner pod."""
    spec: Annotated[
        dict[str, Any],
        Field(
            default_factory=dict, json_schema_extra={"x-kubernetes-preserve-unknown-fields": True}
        ),
    ]
    """Pod spec of every runner pod; the container named "runner" gets Wherry's own variables."""


class RunnerPoolSpec(ResourceModel):
    """How many runners there may be, and how they look."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "self.minRunners <= self.maxRunners",
                    "message": "minRunners must not be greater than maxRunners",
                }
            ]
        }
    )

    min_runners: Annotated[int, Field(ge=0, le=1_000, json_schema_extra=INT32)] = 0
    """Runners kept alive when nothing waits."""
    max_runners: Annotated[int, Field(ge=0, le=1_000, json_schema_extra=INT32)] = 10
    """Runners at the most; what kubectl scale sets."""
    concurrency: Annotated[int, Field(ge=1, le=100, json_schema_extra=INT32)] = 5
    """Jobs that one runner works on at once."""
    idle_seconds: Annotated[int, Field(ge=0, le=86_400, json_schema_extra=INT32)] = 30
    """Seconds for which a runner must not have been needed before it is asked to leave."""
    step_up: Annotated[int, Field(ge=1, le=1_000, json_schema_extra=INT32)] = 20
    """Runners started at the most in one decision."""
    paused: bool = False
    """True: no runner is started, and idle ones leave; running jobs go on."""
    template: PodTemplate
    """How a runner pod looks."""


class RunnerPoolStatus(ResourceModel):
    """How the pool stands."""

    observed_generation: Int64 = 0
    """The metadata.generation that the operator last acted on."""
    desired_runners: Int32 = 0
    """Runners that the jobs ask for now, within the bounds."""
    runners: Int32 = 0
    """Runner pods that have not ended."""
    ready_runners: Int32 = 0
    """Runner pods that are ready."""
    busy_runners: Int32 = 0
    """Runner pods with a claimed job."""
    waiting_jobs: Int32 = 0
    """Jobs that wait for a runner of this pool."""
    claimed_jobs: Int32 = 0
    """Jobs that runners of this pool work on."""
    selector: Annotated[str, Field(max_length=512)] = ""
    """Label selector of the pool's pods, for the scale subresource."""
    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            max_length=16,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
            },
        ),
    ] = ()
    """Available, ScalingLimited, Unschedulable, Paused."""


class RunnerPool(ResourceModel):
    """A set of runner pods that scales with the queue."""

    api_version: str = API_VERSION
    kind: str = "RunnerPool"
    metadata: ObjectMeta
    spec: RunnerPoolSpec
    status: RunnerPoolStatus = RunnerPoolStatus()
