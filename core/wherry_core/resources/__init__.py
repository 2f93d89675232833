"""The two custom resources as Pydantic models, and the CRDs generated from them."""

from wherry_core.resources.base import (
    GROUP,
    VERSION,
    Condition,
    ConditionStatus,
    ResourceModel,
    set_condition,
    settle_conditions,
)
from wherry_core.resources.download_job import (
    DOWNLOAD_JOBS,
    HOLDING_CONDITIONS,
    TERMINAL_PHASES,
    Archive,
    ByteCounts,
    DownloadJob,
    DownloadJobSpec,
    DownloadJobStatus,
    Failure,
    FileCounts,
    OnMissing,
    Phase,
)
from wherry_core.resources.object_meta import ObjectMeta, OwnerReference
from wherry_core.resources.runner_pool import (
    RUNNER_POOLS,
    PodTemplate,
    RunnerPool,
    RunnerPoolSpec,
    RunnerPoolStatus,
)

__all__ = [
    "DOWNLOAD_JOBS",
    "GROUP",
    "HOLDING_CONDITIONS",
    "RUNNER_POOLS",
    "TERMINAL_PHASES",
    "VERSION",
    "Archive",
    "ByteCounts",
    "Condition",
    "ConditionStatus",
    "DownloadJob",
    "DownloadJobSpec",
    "DownloadJobStatus",
    "Failure",
    "FileCounts",
    "ObjectMeta",
    "OnMissing",
    "OwnerReference",
    "Phase",
    "PodTemplate",
    "ResourceModel",
    "RunnerPool",
    "RunnerPoolSpec",
    "RunnerPoolStatus",
    "set_condition",
    "settle_conditions",
]
