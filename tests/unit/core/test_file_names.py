import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry_core.file_names import MAX_SEGMENT_BYTES, safe_file_name
from wherry_core.resources import DownloadJob


def job(name: str | None) -> DownloadJob:
    spec = {"fileIDs": ["1"]} | ({} if name is None else {"archiveName": name})
    return DownloadJob.model_validate({"metadata": {"name": "0c5b1a44-x"}, "spec": spec})


@pytest.mark.parametrize(
    ("given_name", "used"),
    [
        ("Pläne 2026 (größer).zip", "Pläne 2026 (größer).zip"),
        ("..", "__"),
        (".", "_"),
        ("...zip", "...zip"),
        ("x\u202egnp.zip", "x_gnp.zip"),
        ("x\x85\u2028y.zip", "x__y.zip"),
        ('a"; filename="b.zip', "a_; filename=_b.zip"),
        ("CON.zip", "_CON.zip"),
        ("   ", "download-0c5b1a44.zip"),
        ("..%2F..%2Ffiles%2f1", ".._2F.._2Ffiles_2f1"),
        ("100%.zip", "100%.zip"),
        ("%C3%BC.zip", "%C3%BC.zip"),
        ("%252e%252e%252fx", "_252e_252e_252fx"),
        ("a%0d%0ab.zip", "a_0d_0ab.zip"),
        (None, "download-0c5b1a44.zip"),
        ("\ufffe\uffff.zip", "__.zip"),
    ],
)
def test_an_archive_s_name_is_safe_on_every_system(given_name: str | None, used: str) -> None:
    assert job(given_name).archive_name == used


@given(st.text(alphabet=st.characters(), min_size=1, max_size=200))
def test_no_name_leads_elsewhere_or_misleads(name: str) -> None:
    safe = safe_file_name(name)
    assert safe not in {".", ".."}
    assert "/" not in safe
    assert "\\" not in safe
    assert len(safe.encode()) <= MAX_SEGMENT_BYTES
    assert safe_file_name(safe) == safe
    assert not any(ord(character) < 32 or 0x7F <= ord(character) < 0xA0 for character in safe)
