import orjson
import pytest

from wherry_jobrunner.archive.interface import ArchiveError
from wherry_jobrunner.archive.plan.catalogue import targets_of


def answer(*files: object) -> bytes:
    return orjson.dumps({"files": list(files)})


def test_targets_come_in_the_order_of_the_question() -> None:
    found = targets_of(
        answer({"id": 2, "key": "k/two.txt", "size": 9}, {"id": "1", "key": "k/1", "name": "One"}),
        ["1", "2", "3"],
        "archives/",
    )
    assert [(t.file_id, t.key, t.name) for t in found] == [
        ("1", "k/1", "One"),
        ("2", "k/two.txt", "two.txt"),
    ]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"not json", "not the JSON"),
        (b'{"files": 3}', "not the JSON"),
        (answer({"id": "1"}), "not the JSON"),
        (answer({"id": "9", "key": "k"}), "not asked for"),
        (answer({"id": "1", "key": "a"}, {"id": "1", "key": "b"}), "twice"),
        (answer({"id": "1", "key": "../x"}), "segment"),
        (answer({"id": "1", "key": "archives/x"}), "among the archives"),
    ],
)
def test_an_answer_of_another_form_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(ArchiveError, match=why) as refused:
        targets_of(body, ["1", "2"], "archives/")
    assert refused.value.reason == "CatalogueAnswerInvalid"
