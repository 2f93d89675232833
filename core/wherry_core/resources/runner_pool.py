"""``RunnerPool``: the number of runner pods and their template."""

from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field

from wherry_core.resources import cel_rules
from wherry_core.resources.base import API_VERSION, Condition, ResourceModel
from wherry_core.resources.download_job import INT32, Int32, Int64
from wherry_core.resources.object_meta import ObjectMeta

RUNNER_POOLS: Final = "runnerpools"


class PodTemplate(ResourceModel):
    """A pod template. Used as it is, because only admins may write pools."""

    metadata: Annotated[
        dict[str, Any],
        Field(
            default_factory=dict, json_schema_extra={"x-kubernetes-preserve-unknown-fields": True}
        ),
    ]
    """Labels and annotations of the runner pods."""
    spec: Annotated[
        dict[str, Any],
        Field(
            default_factory=dict, json_schema_extra={"x-kubernetes-preserve-unknown-fields": True}
        ),
    ]
    """Pod spec of the runner pods. The container named "runner" gets Wherry's variables."""


class RunnerPoolSpec(ResourceModel):
    """Bounds and template of the pool's runners."""

    model_config = ConfigDict(json_schema_extra=cel_rules.POOL_SPEC)

    min_runners: Annotated[int, Field(ge=0, le=1_000, json_schema_extra=INT32)] = 0
    """Smallest number of runners; they stay when no job waits."""
    max_runners: Annotated[int, Field(ge=0, le=1_000, json_schema_extra=INT32)] = 10
    """Largest number of runners. kubectl scale sets this field."""
    concurrency: Annotated[int, Field(ge=1, le=100, json_schema_extra=INT32)] = 5
    """Number of jobs that one runner works on concurrently."""
    idle_seconds: Annotated[int, Field(ge=0, le=86_400, json_schema_extra=INT32)] = 30
    """Seconds without need for a runner after which it is scaled down."""
    step_up: Annotated[int, Field(ge=1, le=1_000, json_schema_extra=INT32)] = 20
    """Largest number of runners started in one scaling decision."""
    paused: bool = False
    """True: no runner is started, and idle ones are scaled down. Running jobs continue."""
    template: PodTemplate
    """Template of the runner pods."""


class RunnerPoolStatus(ResourceModel):
    """State of the pool."""

    observed_generation: Int64 = 0
    """The metadata.generation that the operator last acted on."""
    desired_runners: Int32 = 0
    """Number of runners that the jobs need now, within the bounds."""
    runners: Int32 = 0
    """Number of runner pods that have not ended."""
    ready_runners: Int32 = 0
    """Number of ready runner pods."""
    busy_runners: Int32 = 0
    """Number of runner pods with a claimed job."""
    waiting_jobs: Int32 = 0
    """Number of jobs that wait for a runner of this pool."""
    claimed_jobs: Int32 = 0
    """Number of jobs that runners of this pool work on."""
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
    """Conditions: Available, ScalingLimited, Unschedulable, Paused, Readable."""


class RunnerPool(ResourceModel):
    """A set of runner pods that scales with the queue."""

    api_version: str = API_VERSION
    kind: str = "RunnerPool"
    metadata: ObjectMeta
    spec: RunnerPoolSpec
    status: RunnerPoolStatus = RunnerPoolStatus()
