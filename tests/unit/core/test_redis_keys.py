"""Which keys must share a slot of a cluster, and which must never be the same."""

import itertools

import pytest
from redis.crc import key_slot

from wherry_core.redis import keys
from wherry_core.redis.keys import EARLIER, Keyspace

UNNAMED = Keyspace()
MAIN = Keyspace("wherry/main")
OTHER = Keyspace("wherry/other")


def slot(key: str) -> int:
    return key_slot(key.encode())


def keys_of_pool(keyspace: Keyspace, pool: str) -> list[str]:
    return [
        keyspace.queue(pool),
        keyspace.tenants(pool),
        keyspace.runners(pool),
        keyspace.operator_mark(pool),
        *(
            key(pool, name, uid)
            for key in (keyspace.runner, keyspace.runner_jobs, keyspace.runner_stops)
            for name in ("r-0", "r-1")
            for uid in ("u1", "u2")
        ),
    ]


def keys_of_release(keyspace: Keyspace) -> list[str]:
    return [
        *keys_of_pool(keyspace, "a"),
        keyspace.job_state("a", "b"),
        keyspace.ticket("b"),
        keyspace.ended_job("a", "b"),
        keyspace.tenant_limit("a"),
        keyspace.loss_marker(),
        keyspace.loss_marker(1),
        keyspace.object_head("e", "b", "k"),
    ]


@pytest.mark.parametrize("pool", ["default", "big", "a-b.c"])
def test_all_keys_that_a_script_touches_are_in_one_slot_of_a_cluster(pool: str) -> None:
    together = [
        *keys_of_pool(UNNAMED, pool),
        *keys_of_pool(MAIN, pool),
        EARLIER.runner(pool, "r-0", ""),
        EARLIER.runner_jobs(pool, "r-0", ""),
        EARLIER.runner_stops(pool, "r-0", ""),
    ]
    assert len(set(together)) == len(together)
    assert len({slot(key) for key in together}) == 1


def test_pools_may_be_in_different_slots() -> None:
    assert slot(MAIN.queue("default")) != slot(MAIN.queue("big"))


def test_no_two_things_and_no_two_releases_share_a_key() -> None:
    made = [
        *(key for keyspace in (UNNAMED, MAIN, OTHER) for key in keys_of_release(keyspace)),
        EARLIER.runner("a", "r-0", ""),
        keys.job_updates("b"),
        keys.archive_parts("u"),
    ]
    assert len(set(made)) == len(made)


def test_all_keys_of_a_release_have_its_prefix() -> None:
    assert {key.startswith("wherry:wherry/main:") for key in keys_of_release(MAIN)} == {True}


def test_without_a_release_keys_are_those_of_version_0_1() -> None:
    assert EARLIER == UNNAMED
    assert UNNAMED.queue("default") == "wherry:{default}:queue"
    assert UNNAMED.tenants("default") == "wherry:{default}:tenants"
    assert UNNAMED.job_state("a", "b") == "wherry:state:a/b"
    assert UNNAMED.ended_job("a", "b") == "wherry:ended:a/b"
    assert UNNAMED.loss_marker() == "wherry:operator-marker"
    # A runner of that version does not know its uid, and its operator looks for no other key.
    for keyspace in (UNNAMED, MAIN):
        assert keyspace.runner("default", "r-0", "") == "wherry:{default}:runner:r-0"
        assert keyspace.runner_jobs("default", "r-0", "") == "wherry:{default}:runner:r-0:jobs"
        assert keyspace.runner_stops("default", "r-0", "") == "wherry:{default}:runner:r-0:stops"


def test_the_job_of_a_state_is_read_from_its_key() -> None:
    for keyspace in (UNNAMED, MAIN):
        assert keyspace.job_of_state(keyspace.job_state("a", "b.c")) == ("a", "b.c")
        assert keyspace.job_of_state(keyspace.job_state("a", "")) is not None
    assert MAIN.job_of_state("wherry:state:no-job") is None
    assert MAIN.job_of_state(OTHER.job_state("a", "b")) is None
    assert UNNAMED.job_of_state(MAIN.job_state("a", "b")) is None


def test_a_head_is_kept_by_store_bucket_and_key_whatever_they_contain() -> None:
    heads = [
        UNNAMED.object_head(*parts)
        for parts in itertools.product(("", "e", "e/b"), ("b", "b/k"), ("k", "k k", "\u00fc" * 400))
    ]
    assert len(set(heads)) == len(heads)
    assert UNNAMED.object_head("e", "b", "k") == UNNAMED.object_head("e", "b", "k")
    assert {len(head) for head in heads} == {len("wherry:head:") + 40}


def test_the_markers_of_a_cluster_reach_every_slot_range() -> None:
    for keyspace in (UNNAMED, MAIN):
        thirds = {slot(keyspace.loss_marker(number)) * 3 // 16_384 for number in range(30)}
        assert thirds == {0, 1, 2}


def test_parts_are_kept_by_uid_alone() -> None:
    assert keys.archive_parts("u1") == "wherry:parts:u1"
    assert keys.archive_parts("u1") != keys.archive_parts("u2")
