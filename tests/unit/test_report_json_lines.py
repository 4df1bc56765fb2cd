from __future__ import annotations

import io
import json
import re
import typing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from report_samples import DOCUMENTED_DEMO, DOCUMENTED_DEMOS, DOCUMENTED_RUN, DOCUMENTED_TEARDOWN

import canarylab
from canarylab.events import DemoState, Event, RunFinished, StageProgress, StageState
from canarylab.report.json_lines import JsonLines, to_json

PACKAGE = Path(canarylab.__file__).parent
SCHEMA = json.loads((PACKAGE / "events.schema.json").read_text())
DOCUMENT = (PACKAGE.parent / "docs" / "events.md").read_text()
EVENTS = {cls.event: cls for cls in Event.__subclasses__()}
START = datetime(2026, 11, 23, 7, 42, 11, 377_000, tzinfo=UTC)

DOCUMENTED = (DOCUMENTED_RUN, DOCUMENTED_DEMO, DOCUMENTED_DEMOS, DOCUMENTED_TEARDOWN)

ANY_TEXT = st.text(st.characters())
SECONDS = st.floats(0, 1e9)
FIELDS = {str: ANY_TEXT, float: SECONDS, dict[str, float]: st.dictionaries(ANY_TEXT, SECONDS)}


def any_event() -> st.SearchStrategy[Event]:
    return st.one_of(*(st.builds(cls, **fields_of(cls)) for cls in EVENTS.values()))


def fields_of(cls: type[Event]) -> dict[str, st.SearchStrategy]:
    hints = {name: hint for name, hint in typing.get_type_hints(cls).items() if name != "event"}
    return {name: FIELDS.get(hint, st.from_type(hint)) for name, hint in hints.items()}


def written(*events: tuple[float, Event]) -> str:
    stream = io.StringIO()
    since = iter(seconds for seconds, _ in events)
    with JsonLines(stream, clock=lambda: START.timestamp() + next(since)) as report:
        for _, event in events:
            report(event)
    return stream.getvalue()


@given(any_event())
def test_every_event_becomes_one_line_that_the_schema_admits(event: Event) -> None:
    text = written((0, event))
    assert text.endswith("\n")
    assert text.count("\n") == 1
    Draft202012Validator(SCHEMA).validate(json.loads(text))


@given(any_event())
def test_what_is_written_can_be_read_by_parsers_that_refuse_lone_surrogates(event: Event) -> None:
    text = written((0, event))
    assert text.isascii()
    json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8")


def test_control_characters_and_line_ends_stay_inside_the_string() -> None:
    message = 'a\nb\x00\x1b[31m\u2028"\\'
    assert json.loads(written((0, StageProgress("istiod", message))))["message"] == message


def test_the_time_is_rfc_3339_in_utc_with_milliseconds() -> None:
    line = json.loads(written((0.5, StageProgress("istiod", ""))))
    assert list(line)[:2] == ["event", "time"]
    assert line["time"] == "2026-11-23T07:42:11.877Z"


def test_a_number_that_json_lacks_is_refused_and_not_written() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        to_json({"seconds": float("nan")})


def test_what_json_has_no_type_for_is_written_as_text() -> None:
    assert json.loads(to_json({"path": Path("a/b"), "nested": [{"path": Path("c")}]})) == {
        "path": "a/b",
        "nested": [{"path": "c"}],
    }


def test_the_schema_has_exactly_the_events_there_are() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert [each["$ref"] for each in SCHEMA["oneOf"]] == [f"#/$defs/{name}" for name in EVENTS]
    assert set(SCHEMA["$defs"]) == {*EVENTS, "time"}


@pytest.mark.parametrize("name", EVENTS)
def test_the_schema_has_exactly_the_fields_of(name: str) -> None:
    schema = SCHEMA["$defs"][name]
    assert set(schema["properties"]) == {"time", *typing.get_type_hints(EVENTS[name])}
    assert set(schema["required"]) == set(schema["properties"])
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize(("name", "states"), [("stage-finished", StageState), ("demo-finished", DemoState)])
def test_the_schema_has_exactly_the_states_that_can_be_the_end_of_it(name: str, states: typing.Any) -> None:
    assert SCHEMA["$defs"][name]["properties"]["state"]["enum"] == list(typing.get_args(states))


def test_the_schema_refuses_an_event_with_a_field_missing() -> None:
    line = json.loads(written((0, RunFinished("up", ok=True, seconds=1.0))))
    del line["seconds"]
    assert not Draft202012Validator(SCHEMA).is_valid(line)


@pytest.mark.parametrize("name", EVENTS)
def test_the_document_describes_every_field_of(name: str) -> None:
    section = re.search(rf"^### {name}\n(.*?)(?=^##)", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert section, f"docs/events.md has no section ### {name}"
    described = re.findall(r"^\| `(\w+)` \|", section[1], re.MULTILINE)
    assert described == [field for field in typing.get_type_hints(EVENTS[name]) if field != "event"]


@pytest.mark.parametrize("run", DOCUMENTED, ids=["up", "demo", "demo --all", "teardown"])
def test_the_document_shows_what_the_code_prints(run: tuple[tuple[float, Event], ...]) -> None:
    assert f"```json\n{written(*run)}```" in DOCUMENT


def test_the_documented_runs_have_every_event() -> None:
    assert {event.event for run in DOCUMENTED for _, event in run} == set(EVENTS)
