"""Where the API server is and how this process authenticates: read by the official package.

It supports service accounts, kubeconfigs, exec plugins and token files.
"""

import os
import ssl

import yaml
from kubernetes.aio import config
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException

from wherry_core.kubernetes.errors import CredentialsError


async def load(configuration: Configuration) -> None:
    """Set host, TLS and credentials of ``configuration``. Raises CredentialsError."""
    named = os.environ.get("KUBECONFIG") or None
    if named is None and "KUBERNETES_SERVICE_HOST" in os.environ:
        try:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        except (ConfigException, OSError) as error:
            raise CredentialsError(
                f"The pod's service account cannot be read: {error} Mount its token, or set "
                "KUBECONFIG."
            ) from error
        return
    try:
        # Named explicitly, because the package reads KUBECONFIG only when it is imported.
        await config.load_kube_config(  # type: ignore[no-untyped-call]
            config_file=named, client_configuration=configuration, persist_config=False
        )
    except (ConfigException, OSError, TypeError, ValueError, yaml.YAMLError) as error:
        # Not the parser's own message, which quotes the file.
        reason = str(error) if isinstance(error, ConfigException) else type(error).__name__
        raise CredentialsError(
            f"The kubeconfig {named or '~/.kube/config'} cannot be used: {reason.rstrip('.')}. "
            "Set KUBECONFIG to a valid kubeconfig, or run in a pod with a service account."
        ) from error


def tls_context(configuration: Configuration) -> ssl.SSLContext:
    """Return the TLS context for the API server. Raises CredentialsError."""
    try:
        context = ssl.create_default_context(
            cafile=configuration.ssl_ca_cert, cadata=configuration.ca_cert_data
        )
        # Authorities of many clusters lack the extensions that Python's strict mode demands.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if not configuration.verify_ssl:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        use_client_certificate(context, configuration)
    except (OSError, ssl.SSLError) as error:
        raise CredentialsError(
            f"The certificates for the Kubernetes API cannot be read: {error}. Check the "
            "kubeconfig's certificate-authority and client-certificate."
        ) from error
    return context


def use_client_certificate(context: ssl.SSLContext, configuration: Configuration) -> None:
    """Have new connections of ``context`` present the client certificate, if there is one."""
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, keyfile=configuration.key_file)
