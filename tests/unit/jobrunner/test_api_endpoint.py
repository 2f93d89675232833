import json
from pathlib import Path
from typing import Any

import pytest

from wherry_jobrunner.api_endpoint import NoEndpointError, Token, find_endpoint


def kubeconfig(folder: Path, user: dict[str, Any]) -> dict[str, str]:
    document = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": "http://127.0.0.1:1/"}}],
        "users": [{"name": "u", "user": user}],
    }
    path = folder / "config"
    path.write_text(json.dumps(document))
    return {"KUBECONFIG": str(path)}


async def test_token_file_of_a_kubeconfig_is_read_again_when_distrusted(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("first\n")
    endpoint = find_endpoint(kubeconfig(tmp_path, {"tokenFile": "token"}))
    assert endpoint.url == "http://127.0.0.1:1"
    assert await endpoint.token.read() == "first"
    (tmp_path / "token").write_text("second\n")
    assert await endpoint.token.read() == "first"
    endpoint.token.distrust()
    assert await endpoint.token.read() == "second"


async def test_fixed_token_and_none(tmp_path: Path) -> None:
    assert await find_endpoint(kubeconfig(tmp_path, {"token": "t"})).token.read() == "t"
    assert await Token().read() == ""


def test_outside_a_pod_and_without_a_kubeconfig_it_says_what_to_do() -> None:
    with pytest.raises(NoEndpointError, match="set KUBECONFIG"):
        find_endpoint({})


def test_broken_kubeconfig_is_named(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("clusters: []")
    with pytest.raises(NoEndpointError, match="config, which is no usable kubeconfig"):
        find_endpoint({"KUBECONFIG": str(tmp_path / "config")})
