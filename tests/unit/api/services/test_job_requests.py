import json

import pytest

from wherry_api.http.problems import ProblemError
from wherry_api.services.job_requests import JobRequest, parse
from wherry_core.resources import OnMissing


def request(**fields: object) -> JobRequest:
    return parse(json.dumps({"file_ids": [1], **fields}).encode(), None)


def test_numbers_become_strings_and_keep_their_order() -> None:
    parsed = parse(b'{"file_ids": [3, "b", -1, 18446744073709551615, "3"]}', None)
    assert parsed.file_ids == ("3", "b", "-1", "18446744073709551615", "3")
    assert parsed.total_files == 4


def test_the_longest_list_of_the_longest_ids_is_parsed() -> None:
    parsed = parse(json.dumps({"file_ids": ["x" * 256] * 10_000}).encode(), None)
    assert len(parsed.file_ids) == 10_000
    assert parsed.total_files == 1


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, "a boolean"),
        (1.0, "not a whole number"),
        (10**30, "not a whole number"),
        (None, "null"),
        ([], "a list or an object"),
        ({}, "a list or an object"),
        ("", "empty"),
        ("x" * 257, "257 characters"),
        ("a\x7f", "control character"),
    ],
)
def test_the_index_of_a_bad_id_is_named(value: object, words: str) -> None:
    with pytest.raises(ProblemError) as caught:
        request(file_ids=["fine", 2, value])
    assert caught.value.kind.status == 422
    assert "file_ids[2]" in caught.value.detail
    assert words in caught.value.detail
    assert caught.value.members["errors"][0]["pointer"] == "/file_ids/2"


def test_an_unknown_field_is_named_as_a_json_pointer() -> None:
    with pytest.raises(ProblemError) as caught:
        request(**{"a/b~c": 1})
    assert caught.value.members["errors"][0]["pointer"] == "/a~1b~0c"


def test_options() -> None:
    parsed = request(archiveName="Pläne.zip", onMissing="Manifest", jobId="k")
    assert parsed == JobRequest(("1",), "Pläne.zip", OnMissing.MANIFEST, "k")


def test_a_key_may_come_by_header_or_body_but_not_twice_different() -> None:
    body = b'{"file_ids": [1], "jobId": "a"}'
    assert parse(body, "a").key == "a"
    with pytest.raises(ProblemError, match="differ"):
        parse(body, "b")


def test_the_digest_depends_on_the_request_and_not_on_its_spelling() -> None:
    assert request(file_ids=[1, "2"]).digest == request(file_ids=["1", 2], jobId="k").digest
    assert request(onMissing="Fail").digest == request().digest
    others = [
        request(file_ids=[1, 2]),
        request(archiveName="a"),
        request(onMissing="Manifest"),
    ]
    assert len({request().digest, *(other.digest for other in others)}) == 4
