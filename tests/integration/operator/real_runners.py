"""A pool whose pods are real runners, as processes of this machine."""

from typing import Any, Final

from tests.harness import tenants
from tests.harness.api import Resource
from tests.integration.operator.conftest import Operated

FILES: Final = {"1": b"one" * 1_000, "2": b"two" * 2_000}


async def prepare_real_runners(
    operated: Operated, *, variables: dict[str, str] | None = None, **spec: Any
) -> Resource:
    """Store two files, and create the pool and the service account of its runners."""
    await operated.bucket.put_files(FILES)
    account = (operated.namespace, "runner")
    await tenants.create_service_account(operated.api, *account)
    await tenants.grant(operated.api, account, tenants.RUNNER_RULES, namespace=operated.namespace)
    known = ("REDIS_", "AWS_", "WHERRY_S3", "WHERRY_SOURCE", "WHERRY_ARCHIVE")
    environment = {
        name: value for name, value in operated.environment.items() if name.startswith(known)
    } | (variables or {})
    container = {
        "name": "runner",
        "image": "runs-as-a-process",
        "env": [{"name": name, "value": value} for name, value in environment.items()],
    }
    template = {"spec": {"serviceAccountName": "runner", "containers": [container]}}
    return await operated.create_pool(template=template, **spec)
