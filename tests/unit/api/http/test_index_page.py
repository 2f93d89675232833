"""The files of the page at /."""

from pathlib import Path

import pytest

from wherry_api.http import index_page


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text("<p>hello</p>")
    (tmp_path / "page.js").write_text("let a")
    (tmp_path / "notes.txt").write_text("not for the world")
    return tmp_path


def test_only_files_of_known_types_are_served_and_the_document_at_the_root(folder: Path) -> None:
    assert sorted(index_page.read(folder)) == ["/", "/page.js"]


def test_a_missing_folder_serves_nothing(tmp_path: Path) -> None:
    assert index_page.read(tmp_path / "absent") == {}


def test_a_browser_that_has_the_file_gets_no_body(folder: Path) -> None:
    file = index_page.read(folder)["/"]
    assert file.answer("", "").body == b"<p>hello</p>"
    for tags in (file.tag, f'"other", W/{file.tag}'):
        answer = file.answer(tags, "gzip")
        assert (answer.status_code, answer.body) == (304, b"")
        assert answer.headers["etag"] == file.tag


def test_every_answer_carries_the_policy(folder: Path) -> None:
    for path, file in index_page.read(folder).items():
        for answer in (file.answer("", ""), file.answer("", "gzip"), file.answer(file.tag, "")):
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy, path
            assert "unsafe" not in policy
            assert "http" not in policy


def test_the_built_page_is_complete_and_names_no_other_host() -> None:
    files = index_page.read()
    assert {"/", "/page.js", "/page.css", "/theme.js", "/favicon.svg"} <= set(files)
    document = files["/"].content.decode()
    assert "<style" not in document
    assert "style=" not in document
    for tag in document.split("<script")[1:]:
        assert tag.split(">")[0].count("src=") == 1
        assert tag.split(">")[1].startswith("</script")
    assert "://" not in document
    assert b"://" not in files["/page.css"].content
