"""Names of all keys and channels in Redis.

The part in braces is a Redis Cluster hash tag: everything about one pool lies in one slot, so
that a script may touch it all at once.
"""

import hashlib


def queue(pool: str) -> str:
    """Sorted set of waiting jobs, members ``namespace/name``."""
    return f"wherry:{{{pool}}}:queue"


def tenants(pool: str) -> str:
    """Hash of the newest virtual finish time of each tenant with jobs in the queue."""
    return f"wherry:{{{pool}}}:tenants"


def runner(pool: str, name: str) -> str:
    """Hash of one runner: heartbeat counter and drain mark."""
    return f"wherry:{{{pool}}}:runner:{name}"


def runner_jobs(pool: str, name: str) -> str:
    """Set of the jobs that one runner has begun."""
    return f"wherry:{{{pool}}}:runner:{name}:jobs"


def runner_stops(pool: str, name: str) -> str:
    """Set of the jobs that one runner is asked to stop."""
    return f"wherry:{{{pool}}}:runner:{name}:stops"


def job_state(namespace: str, name: str) -> str:
    """Hash of the newest snapshot of one job, and of what orders it: uid, creation, attempt, step.

    A job that was deleted and made anew under its name has the same key: the later one counts.
    """
    return f"wherry:state:{namespace}/{name}"


def job_updates(name: str) -> str:
    """Channel on which snapshots of one job are published."""
    return f"job:{name}:updates"


def ticket(digest: str) -> str:
    """String: the job (``namespace/name``) that a single-use ticket opens, by the ticket's hash."""
    return f"wherry:ticket:{digest}"


def ended_job(namespace: str, name: str) -> str:
    """String: when a job ended; it outlives the job, so that "expired" differs from "unknown"."""
    return f"wherry:ended:{namespace}/{name}"


def tenant_limit(tenant: str) -> str:
    """String: when the tenant's allowance of requests is whole again, in microseconds."""
    return f"wherry:limit:{tenant}"


def operator_marker(number: int = 0) -> str:
    """String that the operator changes every few seconds, to notice a Redis that lost writes.

    In a cluster every primary has one, under a number that leads to it.
    """
    return f"wherry:operator-marker:{number}" if number else "wherry:operator-marker"


def object_head(endpoint: str, bucket: str, key: str) -> str:
    """What a HEAD request told of one source object, kept for minutes."""
    digest = hashlib.sha256("\0".join((endpoint, bucket, key)).encode()).hexdigest()
    return f"wherry:head:{digest[:40]}"


def archive_parts(uid: str) -> str:
    """Hash of the parts that the newest attempt at one job's archive has uploaded."""
    return f"wherry:parts:{uid}"
