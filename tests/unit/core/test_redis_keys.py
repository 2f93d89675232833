"""Which keys must lie together, and which must never be the same."""

import itertools

from redis.crc import key_slot

from wherry_core.redis import keys


def slot(key: str) -> int:
    return key_slot(key.encode())


def test_all_keys_that_a_script_touches_lie_in_one_slot_of_a_cluster() -> None:
    for pool in ("default", "big", "a-b.c"):
        together = [
            keys.queue(pool),
            keys.tenants(pool),
            keys.runner(pool, "r-0"),
            keys.runner_jobs(pool, "r-0"),
            keys.runner_stops(pool, "r-0"),
            keys.runner(pool, "r-1"),
        ]
        assert len(set(together)) == len(together)
        assert len({slot(key) for key in together}) == 1


def test_pools_may_lie_apart() -> None:
    assert slot(keys.queue("default")) != slot(keys.queue("big"))


def test_no_two_things_share_a_key() -> None:
    made = [
        keys.queue("a"),
        keys.tenants("a"),
        keys.runner("a", "b"),
        keys.runner_jobs("a", "b"),
        keys.runner_stops("a", "b"),
        keys.job_state("a", "b"),
        keys.job_updates("b"),
        keys.ticket("b"),
        keys.ended_job("a", "b"),
        keys.operator_marker(),
        keys.operator_marker(1),
        keys.object_head("e", "b", "k"),
        keys.archive_parts("u"),
    ]
    assert len(set(made)) == len(made)


def test_a_head_is_kept_by_store_bucket_and_key_whatever_they_contain() -> None:
    heads = [
        keys.object_head(*parts)
        for parts in itertools.product(("", "e", "e/b"), ("b", "b/k"), ("k", "k k", "\u00fc" * 400))
    ]
    assert len(set(heads)) == len(heads)
    assert keys.object_head("e", "b", "k") == keys.object_head("e", "b", "k")
    assert {len(head) for head in heads} == {len("wherry:head:") + 40}


def test_the_markers_of_a_cluster_reach_every_slot_range() -> None:
    thirds = {slot(keys.operator_marker(number)) * 3 // 16_384 for number in range(30)}
    assert thirds == {0, 1, 2}
    assert keys.operator_marker() == "wherry:operator-marker"


def test_parts_are_kept_by_uid() -> None:
    assert keys.archive_parts("u1") == "wherry:parts:u1"
    assert keys.archive_parts("u1") != keys.archive_parts("u2")
