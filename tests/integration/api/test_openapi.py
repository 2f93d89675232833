"""The OpenAPI document is up to date, and the server conforms to it."""

import json
import os
from pathlib import Path

from localcluster import ports
from tests.harness.processes import ProcessGroup
from tests.integration.api.conftest import RunningApi

SNAPSHOT = Path(__file__).parents[3] / "docs" / "openapi.json"
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


async def test_the_document_is_the_one_that_was_agreed(wherry: RunningApi) -> None:
    """Run with WHERRY_UPDATE_OPENAPI=1 to update the file, and commit it."""
    document = (await wherry.client.get("/openapi.json")).json()
    document["info"]["version"] = "0"
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    if os.environ.get("WHERRY_UPDATE_OPENAPI"):
        SNAPSHOT.write_text(text, encoding="utf-8")
    assert text == SNAPSHOT.read_text(encoding="utf-8"), (
        "the API's contract changed; if that is meant, run this test with WHERRY_UPDATE_OPENAPI=1 "
        "and commit docs/openapi.json"
    )


async def test_the_server_does_what_the_document_says(
    processes: ProcessGroup, api_environment: dict[str, str], namespace: str
) -> None:
    port = ports.free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        **api_environment,
        "WHERRY_HTTP_PORT": str(port),
        "WHERRY_DEFAULT_TENANT": namespace,
        "WHERRY_RATE_LIMIT_REQUESTS": "0",
    }
    processes.start("wherry-api", environment, ready_url=f"{url}/health")
    arguments = [
        *("--config-file", str(CONFIGURATION), "run", f"{url}/openapi.json"),
        *("--phases", "examples,coverage,fuzzing", "--max-examples", "8"),
        *("--seed", "1", "--generation-database", "none"),
        *("--request-timeout", "3", "--no-color"),
    ]
    checker = processes.start("schemathesis", {}, arguments=arguments)
    assert await checker.wait_ended(within=200) == 0, checker.log_text()
