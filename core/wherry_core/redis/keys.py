"""Names of all keys and channels in Redis.

A key carries the release that it belongs to, so that two releases can share a database. Two kinds
do not: the channel of a job, whose name is a promise to other readers and whose messages name the
release, and the journal of a job's parts, because a uid is unique.

The part in braces is a Redis Cluster hash tag: all keys of one pool are in one slot, with and
without a release, so that a script may touch them together.
"""

import hashlib
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Keyspace:
    """The keys of one release."""

    release: str = ""
    """``namespace/name`` of the Helm release; empty: keys without a release, as 0.1 wrote them."""

    @property
    def _prefix(self) -> str:
        return f"wherry:{self.release}:" if self.release else "wherry:"

    def queue(self, pool: str) -> str:
        """Sorted set of waiting jobs, members ``namespace/name``."""
        return f"{self._prefix}{{{pool}}}:queue"

    def tenants(self, pool: str) -> str:
        """Hash of the newest virtual finish time of each tenant with jobs in the queue."""
        return f"{self._prefix}{{{pool}}}:tenants"

    def runners(self, pool: str) -> str:
        """Sorted set of the runners that sent heartbeats, ``name/uid`` by Unix time."""
        return f"{self._prefix}{{{pool}}}:runners"

    def runner(self, pool: str, name: str, uid: str) -> str:
        """Hash of one runner: heartbeat counter, and the marks that ask it to leave.

        ``uid`` is that of its pod. Without one, this is the key of a runner of version 0.1, which
        knew neither its uid nor its release.
        """
        if not uid:
            return f"wherry:{{{pool}}}:runner:{name}"
        return f"{self._prefix}{{{pool}}}:runner:{name}:{uid}"

    def runner_jobs(self, pool: str, name: str, uid: str) -> str:
        """Set of the jobs that one runner has begun."""
        return f"{self.runner(pool, name, uid)}:jobs"

    def runner_stops(self, pool: str, name: str, uid: str) -> str:
        """Set of the jobs that one runner is asked to stop."""
        return f"{self.runner(pool, name, uid)}:stops"

    def operator_mark(self, pool: str) -> str:
        """String that expires soon after the last operator that acts has stopped."""
        return f"{self._prefix}{{{pool}}}:operator"

    def job_state(self, namespace: str, name: str) -> str:
        """Hash of the newest snapshot of a job and what orders it: uid, creation, attempt, step.

        A job that is created again under the name of a deleted one has the same key.
        """
        return f"{self._prefix}state:{namespace}/{name}"

    def job_state_pattern(self) -> str:
        """Pattern of all keys of job states, for SCAN."""
        return f"{self._prefix}state:*"

    def job_of_state(self, key: str) -> tuple[str, str] | None:
        """Return the (namespace, name) of a job state's key, None for another key."""
        namespace, separator, name = key.removeprefix(f"{self._prefix}state:").partition("/")
        return (namespace, name) if separator and ":" not in namespace else None

    def ended_job(self, namespace: str, name: str) -> str:
        """String: when a job ended. It outlives the job: "expired" differs from "unknown"."""
        return f"{self._prefix}ended:{namespace}/{name}"

    def ticket(self, digest: str) -> str:
        """String: the job (``namespace/name``) that a single-use ticket opens, by its hash."""
        return f"{self._prefix}ticket:{digest}"

    def tenant_limit(self, tenant: str) -> str:
        """String: when the tenant's allowance of requests is whole again, in microseconds."""
        return f"{self._prefix}limit:{tenant}"

    def loss_marker(self, number: int = 0) -> str:
        """String that the operator changes every few seconds, to notice a loss of writes.

        In a cluster every primary has one, with a number that maps to it.
        """
        name = f"{self._prefix}operator-marker"
        return f"{name}:{number}" if number else name

    def object_head(self, endpoint: str, bucket: str, key: str) -> str:
        """Answer of a HEAD request for one source object, kept for minutes."""
        digest = hashlib.sha256("\0".join((endpoint, bucket, key)).encode()).hexdigest()
        return f"{self._prefix}head:{digest[:40]}"


EARLIER: Final = Keyspace()
"""The keys of version 0.1."""


def job_updates(name: str) -> str:
    """Channel on which snapshots of the jobs of one name are published."""
    return f"job:{name}:updates"


def archive_parts(uid: str) -> str:
    """Hash of the parts that the newest attempt at one job's archive has uploaded."""
    return f"wherry:parts:{uid}"
