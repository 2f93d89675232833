import json
import logging
import subprocess
import sys

import orjson
import pytest

from wherry_core.logs import JsonFormatter, TextFormatter

HOSTILE = [
    'x"}\n{"level":"error","message":"forged"}',
    "a\r\n12:00:00.000 ERROR wherry: forged",
    "\x1b[2J\x9b31m\x00\x7f\x85",
    "\u202egnp.exe\u2066\u2028\u2029",
    "\ud800 half a pair",
]


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


def failed(message: str) -> logging.LogRecord:
    try:
        raise ValueError(message)
    except ValueError:
        made = record(message, job=message)
        made.exc_info = sys.exc_info()
        return made


@pytest.mark.parametrize("text", HOSTILE)
def test_one_entry_is_one_json_object_of_harmless_characters(text: str) -> None:
    line = JsonFormatter().format(failed(text))
    assert json.loads(line)["message"] == text
    assert line.isprintable()


@pytest.mark.parametrize("text", HOSTILE)
def test_text_has_no_control_characters_and_indents_what_belongs_to_an_entry(text: str) -> None:
    first, *rest = TextFormatter().format(failed(text)).split("\n")
    assert "INFO" in first
    assert all(line.startswith("  ") for line in rest)
    assert all(line.isprintable() for line in [first, *rest])


def test_the_error_that_ends_a_process_is_an_entry_too() -> None:
    program = """
import warnings
from wherry_core import logs
from wherry_core.settings import LogSettings
logs.set_up(LogSettings(WHERRY_LOG_FORMAT="json"))
warnings.warn("careful\\nforged")
raise RuntimeError("first\\nsecond")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    warning, ending = map(json.loads, done.stderr.splitlines())
    assert "careful\nforged" in warning["message"]
    assert "RuntimeError: first\nsecond" in ending["exception"]
