import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry_jobrunner.archive.interface import ArchiveError
from wherry_jobrunner.archive.plan.key_template import target_of


@pytest.mark.parametrize(
    ("template", "file_id", "key", "name"),
    [
        ("files/{id}", "70000", "files/70000", "70000"),
        ("files/{id}.jpg", "7", "files/7.jpg", "7.jpg"),
        ("a/b/{id}/content", "7", "a/b/7/content", "7/content"),
        ("{id}", "x/y", "x/y", "x/y"),
        ("files/{id}", "ü 100%.txt", "files/ü 100%.txt", "ü 100%.txt"),
        ("files/{id}", "a..b", "files/a..b", "a..b"),
        ("files/{tenant}/{id}", "7", "files/team-a/7", "7"),
        ("{id}/of/{tenant}", "7", "7/of/team-a", "7/of/team-a"),
        ("{tenant}-{id}", "{tenant}", "team-a-{tenant}", "team-a-{tenant}"),
    ],
)
def test_a_key_is_the_template_with_the_id(
    template: str, file_id: str, key: str, name: str
) -> None:
    target = target_of(template, "team-a", file_id)
    assert (target.key, target.name) == (key, name)


@pytest.mark.parametrize(
    ("file_id", "why"),
    [
        ("../secret", "segment"),
        ("a/../../secret", "segment"),
        ("a/./b", "segment"),
        ("..\\secret", "segment"),
        ("/etc/passwd", "begins with a slash"),
        ("%2e%2e%2fsecret", "segment"),
        ("%252e%252e/secret", "segment"),
        ("%25252e%25252e/secret", "segment"),
        ("..%2fsecret", "segment"),
        ("\uff0e\uff0e\uff0fsecret", "segment"),
        ("a//b", "empty segment"),
        ("a\nb", "control"),
        ("a%00b", "control"),
        ("\ud800", "Unicode"),
        ("x" * 1_020, "longer"),
    ],
)
def test_an_id_that_could_leave_the_folder_is_refused(file_id: str, why: str) -> None:
    with pytest.raises(ArchiveError, match=why) as refused:
        target_of("files/{id}", "team-a", file_id)
    assert refused.value.reason == "InvalidFileId"
    assert not refused.value.retryable
    assert len(refused.value.message) < 300


@given(st.text(min_size=1, max_size=60))
def test_no_accepted_id_leaves_the_folder(file_id: str) -> None:
    try:
        target = target_of("files/{id}", "team-a", file_id)
    except ArchiveError:
        return
    assert target.key == f"files/{file_id}"
    assert ".." not in target.key.split("/")


@pytest.mark.parametrize(
    ("template", "file_id"),
    [("{id}", "archives/team-b/u9/1/x.zip"), ("arch{id}", "ives/x.zip"), ("{id}/x", "archives")],
)
def test_an_id_that_names_an_archive_is_refused(template: str, file_id: str) -> None:
    assert target_of(template, "team-a", file_id).key.startswith("archives/")
    with pytest.raises(ArchiveError, match="among the archives") as refused:
        target_of(template, "team-a", file_id, "archives/")
    assert refused.value.reason == "InvalidFileId"
    assert target_of(template, "team-a", "other", "archives/").file_id == "other"
