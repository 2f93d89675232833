"""The Kubernetes client of the API and the operator, made from where the process runs."""

import os
from pathlib import Path

from kubernetes.aio import client, config

SERVICE_ACCOUNT_FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")


async def connect(*, max_connections: int = 32) -> client.ApiClient:
    """Return a client for the cluster that this process belongs to.

    In a pod the service account is used, elsewhere the kubeconfig that ``KUBECONFIG`` names.
    Close it with ``await client.close()``.
    """
    configuration = client.Configuration()
    if "KUBERNETES_SERVICE_HOST" in os.environ and "KUBECONFIG" not in os.environ:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    else:
        # Given explicitly, for the library reads the variable only once, when it is imported.
        await config.load_kube_config(  # type: ignore[no-untyped-call]
            config_file=os.environ.get("KUBECONFIG") or None, client_configuration=configuration
        )
    configuration.connection_pool_maxsize = max_connections
    return client.ApiClient(configuration)
