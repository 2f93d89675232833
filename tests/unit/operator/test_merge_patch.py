"""Merge patches."""

from wherry_operator.merge_patch import merge_patch


def test_a_patch_holds_only_what_has_changed() -> None:
    old = {"phase": "Queued", "files": {"total": 3, "completed": 1}, "runner": "r", "list": [1]}
    new = {"phase": "Queued", "files": {"total": 3, "completed": 0}, "list": [1, 2]}
    assert merge_patch(old, new) == {
        "files": {"completed": 0},
        "runner": None,
        "list": [1, 2],
    }
    assert merge_patch(old, old) == {}
