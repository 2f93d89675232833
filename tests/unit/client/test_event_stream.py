"""The parser of server-sent events, against the rules of the WHATWG HTML standard."""

import random

import pytest

from wherry_client.event_stream import (
    MAX_EVENT_CHARACTERS,
    EventStreamParser,
    EventTooLargeError,
    ServerEvent,
)


def parse(*chunks: bytes) -> list[ServerEvent]:
    parser = EventStreamParser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
def test_every_line_terminator(ending: bytes) -> None:
    lines = [b"event: progress", b"id: 1-2", b'data: {"progress":1}', b"", b"data: x", b"", b""]
    events = parse(ending.join(lines))
    assert events[0] == ServerEvent("progress", '{"progress":1}', "1-2")
    # A CR at the very end of a chunk ends the line.
    assert events[1:] == [ServerEvent("message", "x", "1-2")]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_chunk_borders_do_not_matter(ending: str) -> None:
    text = (
        "\ufeff: hello\nevent: progress\nid: 7\ndata: ä€😀\ndata:  two\n\nretry: 1500\n\ndata\n\n"
    )
    stream = text.replace("\n", ending).encode()
    whole = parse(stream)
    assert whole == [
        ServerEvent("progress", "ä€😀\n two", "7"),
        ServerEvent("message", "", "7"),
    ]
    assert parse(*(stream[i : i + 1] for i in range(len(stream)))) == whole
    for seed in range(50):
        cuts = sorted(random.Random(seed).sample(range(len(stream)), 5))
        pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
        assert parse(*pieces) == whole


def test_comments_and_unknown_fields_are_ignored() -> None:
    assert parse(b": keep-alive\n\n:\n\nfoo: bar\nevent: lonely\n\n") == []
    assert parse(b"event: lonely\n\ndata: x\n\n") == [ServerEvent("message", "x", "")]


def test_data_lines_are_joined_and_one_leading_space_is_dropped() -> None:
    assert parse(b"data:a\ndata:  b\ndata\ndata: c\n\n")[0].data == "a\n b\n\nc"


def test_an_incomplete_event_is_not_returned() -> None:
    assert parse(b"data: half\n") == []
    assert parse(b"data: half\n", b"\n") == [ServerEvent("message", "half", "")]


def test_ids_persist_and_those_with_null_are_ignored() -> None:
    events = parse(b"id: 1\ndata: a\n\ndata: b\n\nid: x\0y\ndata: c\n\nid\ndata: d\n\n")
    assert [event.last_event_id for event in events] == ["1", "1", "1", ""]


def test_retry_must_be_a_number() -> None:
    parser = EventStreamParser()
    parser.feed(b"retry: 2310\nretry: soon\nretry: -1\nretry: \xd9\xa1\n\n")
    assert parser.retry_seconds == 2.31


def test_the_last_id_of_an_earlier_stream_persists() -> None:
    parser = EventStreamParser("1-9")
    assert parser.feed(b"data: a\n\n")[0].last_event_id == "1-9"


@pytest.mark.parametrize("endless", [b"x" * 65_536, b"data: " + b"x" * 65_000 + b"\n"])
def test_an_endless_event_raises(endless: bytes) -> None:
    parser = EventStreamParser()
    for _ in range(MAX_EVENT_CHARACTERS // 65_536 - 1):
        assert parser.feed(endless) == []
    with pytest.raises(EventTooLargeError):
        parser.feed(endless * 3)
