"""An API with authentication: signing in, tickets for links and for EventSource."""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from tests.browser import actions
from tests.browser.conftest import NewContext
from tests.browser.system import NAMESPACE, SMALL_FILES, System
from tests.harness.cluster import REPOSITORY
from wherry_api.auth.api_keys import make_key

WEB = REPOSITORY / "web"
HARNESS_PAGE = "<!doctype html><title>test</title>"


@dataclass(frozen=True)
class ProtectedApi:
    """An API that requires keys, and a valid key."""

    url: str
    key: str


@pytest.fixture
def protected_api(system: System) -> Iterator[ProtectedApi]:
    key, line = make_key(NAMESPACE)
    file = system.folder / "keys"
    file.write_text(line)
    with system.another_api(
        WHERRY_AUTH_MODE="api-keys",
        WHERRY_API_KEYS_FILE=str(file),
        WHERRY_TENANT_NAMESPACES=NAMESPACE,
    ) as url:
        yield ProtectedApi(url, key)


def sign_in(page: Page, key: str) -> None:
    page.get_by_label("Access token or API key").fill(key)
    page.get_by_role("button", name="Continue").click()


def test_sign_in_download_by_ticket_and_sign_out(
    protected_api: ProtectedApi, new_context: NewContext
) -> None:
    page = new_context(base_url=protected_api.url).new_page()
    page.goto("/")
    sign_in(page, "wherry_wrong")
    expect(page.get_by_text("The API key is not valid.")).to_be_visible()
    sign_in(page, protected_api.key)
    job = actions.start(page, SMALL_FILES)
    actions.expect_status(job, "completed")
    with page.expect_request(lambda request: "ticket=" in request.url) as opened:
        job.get_by_role("button", name=re.compile("^Download ")).click()
    assert protected_api.key not in opened.value.url
    page.goto("/")
    actions.expect_status(actions.row(page, actions.job_id_of(job)), "completed")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert page.evaluate("sessionStorage.getItem('wherry:token')") is None


@pytest.fixture(scope="session")
def core_script() -> str:
    """The framework-free core as one script that sets ``wherry``."""
    command = ["node_modules/.bin/esbuild", "packages/use-download/src/core.ts"]
    options = ["--bundle", "--format=iife", "--global-name=wherry"]
    done = subprocess.run([*command, *options], cwd=WEB, capture_output=True, text=True, check=True)
    return done.stdout


def test_event_source_with_a_ticket(
    protected_api: ProtectedApi, new_context: NewContext, core_script: str
) -> None:
    page = new_context(base_url=protected_api.url).new_page()
    page.route("**/blank", lambda route: route.fulfill(body=HARNESS_PAGE, content_type="text/html"))
    page.goto("/blank")
    streams: list[str] = []
    page.on("request", lambda sent: streams.append(sent.url) if "/stream/" in sent.url else None)
    page.evaluate(core_script + "; globalThis.wherry = wherry")
    options = {"fileIds": SMALL_FILES, "token": protected_api.key, "transport": "event-source"}
    seen = page.evaluate(
        """(options) => new Promise((resolve, reject) => {
            const download = wherry.createDownload(options);
            const seen = new Set();
            const stop = download.subscribe(() => {
                const state = download.getState();
                seen.add(state.connection);
                if (!wherry.hasEnded(state.status)) return;
                stop();
                resolve([state.status, state.error, [...seen]]);
            });
            setTimeout(() => reject(new Error(JSON.stringify(download.getState()))), 30000);
            download.start();
        })""",
        json.loads(json.dumps(options)),
    )
    assert seen[:2] == ["completed", None]
    assert "streaming" in seen[2]
    assert "ticket=" in streams[0]
    assert all(protected_api.key not in url for url in streams)
