import logging

import orjson

from wherry_core.logs import JsonFormatter, TextFormatter


def record(message: str, **context: object) -> logging.LogRecord:
    made = logging.LogRecord("wherry.test", logging.INFO, "f.py", 1, message, (), None)
    made.__dict__.update(context)
    return made


def test_json_carries_the_context_and_one_line() -> None:
    line = JsonFormatter().format(record("first\nsecond", job="a/b", attempt=2))
    assert "\n" not in line
    entry = orjson.loads(line)
    assert (entry["message"], entry["job"], entry["attempt"]) == ("first\nsecond", "a/b", 2)
    assert entry["level"] == "info"


def test_text_cannot_be_made_to_look_like_two_entries() -> None:
    line = TextFormatter().format(record("first\n12:00:00 ERROR forged \x1b[31m", job="a/b"))
    assert "\n" not in line
    assert "\x1b" not in line
    assert line.endswith("job=a/b")
