"""CRDs of the Gateway API and the Prometheus operator, from pinned Go modules."""

import json
import os
import subprocess
from pathlib import Path
from typing import Final

from localcluster import golang

HERE: Final = Path(__file__).resolve().parent


def gateway_api_crds() -> Path:
    """Return the folder of the standard channel's CRDs; it is downloaded if necessary."""
    return _module("gateway_api", "sigs.k8s.io/gateway-api") / "config" / "crd" / "standard"


def prometheus_operator_crds() -> Path:
    """Return the folder of the Prometheus operator's CRDs; it is downloaded if necessary."""
    name = "github.com/prometheus-operator/prometheus-operator"
    return _module("prometheus_operator", name) / "example" / "prometheus-operator-crd"


def _module(folder: str, name: str) -> Path:
    done = subprocess.run(
        [str(golang.go()), "mod", "download", "-json", name],
        cwd=HERE / folder,
        env=os.environ | {"GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return Path(json.loads(done.stdout)["Dir"])
