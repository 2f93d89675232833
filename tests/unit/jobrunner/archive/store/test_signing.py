from datetime import UTC, datetime

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from wherry_jobrunner.archive.store.signing import Credentials, query_string, quote_key, sign


@pytest.mark.parametrize("key", ["a", "a b/ü+%&=~.txt", "x//y", "a'()*!", "日本/語"])
@pytest.mark.parametrize("query", [[], [("uploadId", "a/b=c+d"), ("partNumber", "7")]])
@pytest.mark.parametrize("token", [None, "session/token=="])
def test_a_signature_is_the_one_that_botocore_makes(
    key: str, query: list[tuple[str, str]], token: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
    path, text = "/bucket/" + quote_key(key), query_string(query)
    headers = {"if-match": '"abc"', "range": "bytes=0-9"}
    ours = sign(
        "GET", "s3.test:9000", path, text, headers, Credentials("AK", "SK", token), "eu-1", moment
    )
    request = AWSRequest(
        method="GET", url=f"http://s3.test:9000{path}" + (f"?{text}" if text else "")
    )
    for name, value in headers.items():
        request.headers[name] = value
    request.headers["X-Amz-Content-SHA256"] = "UNSIGNED-PAYLOAD"
    request.context["timestamp"] = moment.strftime("%Y%m%dT%H%M%SZ")
    request.context["payload_signing_enabled"] = False
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda remove_tzinfo=True: moment)
    auth = S3SigV4Auth(BotoCredentials("AK", "SK", token), "s3", "eu-1")
    monkeypatch.setattr(auth, "payload", lambda request: "UNSIGNED-PAYLOAD")
    auth.add_auth(request)
    theirs = request.headers["Authorization"]
    assert ours["authorization"].split("Signature=")[1] == theirs.split("Signature=")[1]
