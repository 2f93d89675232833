"""Each program ends by itself, with one sentence and exit status 2, on an unusable Redis URL."""

import os
import subprocess
import sys

import pytest

SECRET = "s3cret"
SETTINGS = {
    "WHERRY_SOURCE_BUCKET": "sources",
    "WHERRY_ARCHIVE_BUCKET": "archives",
    "WHERRY_NAMESPACE": "wherry",
    "WHERRY_RUNNER_NAME": "default-runner-0",
}


PASSWORD_WITH_SLASH = f"redis://:{SECRET}/xyz@127.0.0.1:6379/0"
PASSWORD_LIKE_A_PORT = f"redis://:12/{SECRET}@host:6399/0"


@pytest.mark.parametrize(
    ("program", "url"),
    [
        ("wherry_api", PASSWORD_WITH_SLASH),
        ("wherry_operator", PASSWORD_WITH_SLASH),
        ("wherry_operator", PASSWORD_LIKE_A_PORT),
        ("wherry_jobrunner", PASSWORD_WITH_SLASH),
    ],
)
def test_a_program_ends_with_a_sentence(program: str, url: str) -> None:
    # None of them reaches the point at which it would need a cluster or a store.
    ended = subprocess.run(
        [sys.executable, "-m", program],
        env=os.environ | SETTINGS | {"WHERRY_REDIS_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    output = ended.stdout + ended.stderr
    assert ended.returncode == 2, output
    assert "WHERRY_REDIS_URL: The Redis URL has" in output
    assert "Traceback" not in output
    assert SECRET not in output
    assert "xyz" not in output
