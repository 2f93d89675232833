"""The part of ``metav1.ObjectMeta`` that Wherry reads."""

from typing import Annotated

from pydantic import Field

from wherry_core.resources.base import ResourceModel, Time


class OwnerReference(ResourceModel):
    """The owner of an object, for the garbage collector."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(ResourceModel):
    """Name, version, labels and annotations of an object."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None
    labels: Annotated[dict[str, str], Field(default_factory=dict)]
    annotations: Annotated[dict[str, str], Field(default_factory=dict)]
    owner_references: tuple[OwnerReference, ...] = ()
