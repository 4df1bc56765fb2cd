from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import threading

import pytest
from watch_world import NOW, at_rest, paused, state

from canarylab.report.rollout.live import LiveScreen
from canarylab.report.rollout.screen import JsonScreen, LinesScreen, screen
from canarylab.watch.state import Silence

COMMAND = "kubectl argo rollouts {}"


def documents(*states):
    stream = io.StringIO()
    shown = screen("json", stream, COMMAND, lambda: None)
    assert isinstance(shown, JsonScreen)
    for each in states:
        shown.show(each)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_state_is_a_document_with_all_that_is_known():
    [found] = documents(state(paused(), canary=24))
    found.pop("time")
    revision = found["revisions"][0]
    assert (found["rollout"], found["phase"], found["ends_at"]) == ("web", "Paused", "2027-01-15T08:00:08.000Z")
    assert (found["steps"]["done"], found["steps"]["of"], found["steps"]["current"]) == (1, 4, "pause 20s")
    route = {"route": "web, http route primary", "canary": 25.0}
    assert found["weights"] == {"set": 25, "actual": 25, "of": 100, "routes": [route]}
    assert (revision["revision"], revision["role"], revision["pods"][0]["ip"]) == (2, "canary", "10.0.2.4")
    assert revision["traffic"] == {"requests_per_second": 24.0, "requests": 240, "errors": 0, "percent": 24.0}
    assert (found["traffic"]["requests"], found["traffic"]["seconds"]) == (1000, 10.0)


def test_the_same_state_is_not_written_twice_but_new_traffic_is_a_new_state():
    one, other = state(paused(), canary=24), state(paused(), canary=25)
    assert len(documents(one, one, state(paused(), canary=24), other)) == 2


def test_a_silence_is_in_the_document():
    [found] = documents(state(at_rest(), silence=Silence(NOW, "refused")))
    assert found["no_answer_since"] == "2027-01-15T08:00:00.000Z"


def test_a_pipe_gets_a_line_for_each_change_and_none_for_traffic():
    stream = io.StringIO()
    shown = screen("text", stream, COMMAND, lambda: None)
    assert isinstance(shown, LinesScreen)
    shown.show(state(at_rest(), canary=0))
    before = len(stream.getvalue().splitlines())
    shown.show(state(at_rest(), canary=0))
    assert len(stream.getvalue().splitlines()) == before
    shown.show(state(paused(), canary=0))
    assert stream.getvalue().splitlines()[before][8:].startswith("  until now ")


def test_a_reader_that_is_gone_ends_the_watching():
    reading, writing = os.pipe()
    os.close(reading)
    gone = threading.Event()
    with os.fdopen(writing, "w") as stream:
        screen("json", stream, COMMAND, gone.set).show(state(at_rest()))
    assert gone.is_set()


@pytest.mark.timeout(30)
def test_on_a_terminal_it_is_painted_and_left_there_with_the_cursor_back():
    leader, follower = pty.openpty()
    seen = bytearray()

    def read():
        with contextlib.suppress(OSError):  # the end, once the other side is closed and all of it is read
            while True:
                seen.extend(os.read(leader, 65536))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    with os.fdopen(follower, "w") as stream:
        shown = LiveScreen(stream, COMMAND, lambda: NOW)
        shown.show(state(at_rest(), canary=0))
        shown.show(state(paused(), canary=0))
        shown.close()
    reader.join(5)
    text = seen.decode()
    assert "Paused (CanaryPauseStep)" in text, "what has changed scrolls by"
    assert "8 s left" in text
    assert text.rstrip().endswith("\x1b[?25h")
