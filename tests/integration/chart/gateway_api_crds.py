"""The CRDs of the Gateway API, from its Go module, as pinned in gateway_api/go.sum."""

import json
import os
import subprocess
from pathlib import Path
from typing import Final

from localcluster import golang

MODULE: Final = Path(__file__).resolve().parent / "gateway_api"


def gateway_api_crds() -> Path:
    """Return the folder of the standard channel's CRDs, downloaded where it must be."""
    done = subprocess.run(
        [str(golang.go()), "mod", "download", "-json", "sigs.k8s.io/gateway-api"],
        cwd=MODULE,
        env=os.environ | {"GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return Path(json.loads(done.stdout)["Dir"]) / "config" / "crd" / "standard"
