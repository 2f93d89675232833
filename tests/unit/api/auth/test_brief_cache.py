from wherry_api.auth.brief_cache import BriefCache


def test_entries_are_void_after_their_time() -> None:
    now = 0.0
    cache: BriefCache[int] = BriefCache(10, clock=lambda: now)
    cache.put("a", 1)
    cache.put("b", 2, seconds=5)
    cache.put("c", 3, seconds=50)
    now = 5.0
    assert (cache.get("a"), cache.get("b")) == (1, None)
    now = 10.0
    assert (cache.get("a"), cache.get("c")) == (None, None)


def test_the_oldest_entry_makes_room() -> None:
    cache: BriefCache[int] = BriefCache(10, size=2)
    for index, key in enumerate("abc"):
        cache.put(key, index)
    assert [cache.get(key) for key in "abc"] == [None, 1, 2]
