"""The base of both resources: the model class, Kubernetes times, and conditions."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

GROUP: Final = "wherry.dev"
VERSION: Final = "v1"
API_VERSION: Final = f"{GROUP}/{VERSION}"


def format_time(value: datetime) -> str:
    """Return ``value`` as Kubernetes writes times: RFC 3339, UTC, whole seconds."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Time = Annotated[datetime, PlainSerializer(format_time, return_type=str, when_used="json")]
"""A point in time, written as ``metav1.Time``."""


class ResourceModel(BaseModel):
    """Part of a custom resource: frozen, camelCase on the wire, unknown fields ignored."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON form that the API server expects, without unset fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class ConditionStatus(StrEnum):
    """The three values of a condition, as in ``metav1.Condition``."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(ResourceModel):
    """One ``metav1.Condition``."""

    type: Annotated[str, Field(max_length=64, min_length=1)]
    """Type of the condition."""
    status: ConditionStatus
    """True, False or Unknown."""
    reason: Annotated[str, Field(max_length=128, min_length=1)]
    """Reason as one CamelCase word."""
    message: Annotated[str, Field(max_length=1024)] = ""
    """Explanation as a sentence."""
    last_transition_time: Time
    """When the status last changed."""
    observed_generation: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] = 0
    """The metadata.generation that the condition was set for."""


def set_condition(conditions: Sequence[Condition], new: Condition) -> tuple[Condition, ...]:
    """Return ``conditions`` with ``new`` in place of the condition of the same type.

    Keeps the transition time when the status is unchanged, so setting the same condition twice
    returns the same list.
    """
    kept: list[Condition] = []
    placed = False
    for old in conditions:
        if old.type != new.type:
            kept.append(old)
            continue
        placed = True
        same = old.status == new.status
        kept.append(
            new.model_copy(update={"last_transition_time": old.last_transition_time})
            if same
            else new
        )
    return tuple(kept) if placed else (*kept, new)


def settle_conditions(
    conditions: Sequence[Condition],
    types: Collection[str],
    *,
    reason: str,
    message: str,
    now: datetime,
    generation: int,
) -> tuple[Condition, ...]:
    """Return ``conditions`` with those of ``types`` that are True set to False.

    Missing conditions are not added.
    """

    def settled(old: Condition) -> Condition:
        if old.type not in types or old.status != ConditionStatus.TRUE:
            return old
        return Condition(
            type=old.type,
            status=ConditionStatus.FALSE,
            reason=reason,
            message=message,
            last_transition_time=now.replace(microsecond=0),
            observed_generation=generation,
        )

    return tuple(settled(each) for each in conditions)
