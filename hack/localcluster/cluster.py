"""A cluster that is up, as the steps after it see it, whatever it was made with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ClusterKind = Literal["bare", "kind", "process"]


@dataclass(frozen=True)
class RedisAddress:
    """Where Redis is for the pods (and for this machine, unless the cluster is kind's)."""

    host: str
    port: int
    password: str


@dataclass(frozen=True)
class StoreAddress:
    """Where the S3 store is, and the keys to it."""

    endpoint: str
    region: str
    bucket: str
    access_key: str
    secret_key: str


@dataclass(frozen=True)
class Cluster:
    """A Kubernetes with the image in it, and Redis and an S3 store that its pods reach.

    `api_url` is where the Wherry API will be once its chart is installed with NodePort 3000.
    """

    kind: ClusterKind
    kubeconfig: Path
    image: str
    redis: RedisAddress
    store: StoreAddress
    api_url: str
