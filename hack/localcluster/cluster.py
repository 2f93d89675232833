"""A running cluster of any kind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ClusterKind = Literal["bare", "kind", "process"]


@dataclass(frozen=True)
class RedisAddress:
    """Address of Redis for the pods, and for this machine unless the cluster is kind's."""

    host: str
    port: int
    password: str


@dataclass(frozen=True)
class StoreAddress:
    """Address and keys of the S3 store."""

    endpoint: str
    region: str
    bucket: str
    access_key: str
    secret_key: str


@dataclass(frozen=True)
class Cluster:
    """A Kubernetes cluster that has the image, with Redis and an S3 store for its pods.

    `api_url` is the URL of the Wherry API once the chart is installed with NodePort 3000.
    """

    kind: ClusterKind
    kubeconfig: Path
    image: str
    redis: RedisAddress
    store: StoreAddress
    api_url: str
