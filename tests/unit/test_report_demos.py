"""`demo --all` as people see it: in a pipe, and on a terminal."""

from __future__ import annotations

import io
import re

import pytest
from report_samples import MIRRORED, Clock, demos
from rich.cells import cell_len
from test_report_live import lasting, on_a_terminal, shown, tell, view_of

from canarylab.events import DemoFinished, DemoInfo, DemoStarted, Event, Fact, Notice, RunFinished, RunStarted
from canarylab.report.console_plain import PlainConsole
from canarylab.report.run_view import RunView

EVENTS = tuple(demos())
UNTIL_ONE_FAILED = EVENTS[:11]


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TERM": "xterm", "COLUMNS": "100", "LINES": "24", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)


def plain(*events: Event) -> list[str]:
    stream = io.StringIO()
    report = PlainConsole(stream, Clock())
    for event in events:
        report(event)
    return [line.removeprefix("[   0.0 s] ") for line in stream.getvalue().splitlines()]


def reset(state: str) -> list[Event]:
    return [
        RunStarted("demo --reset", "all", "p", "embedded", (), (DemoInfo("mirror", 1),)),
        DemoStarted("mirror"),
        DemoFinished("mirror", state, 1.0),  # type: ignore[arg-type]
        RunFinished("demo --reset", ok=True, seconds=1.0, demos={"mirror": state}),  # type: ignore[dict-item]
    ]


# -- what is known --------------------------------------------------------------------------------------------------


def test_a_demonstration_and_a_stage_of_the_same_name_are_two() -> None:
    view = view_of(*EVENTS[:4])
    assert (view.stages["blue-green"].status, view.demos["blue-green"].status) == ("failed", "failed")
    assert view.stages["blue-green"].reason != view.demos["blue-green"].reason


def test_facts_and_progress_are_those_of_their_demonstration() -> None:
    view = view_of(*UNTIL_ONE_FAILED)
    assert [len(demo.facts) for demo in view.demos.values()] == [1, 0, 1]
    assert view.activities == {}


def test_facts_of_a_demonstration_on_its_own_are_not_told_apart() -> None:
    view = RunView()
    view.apply(Fact("healthy", "status", "Healthy", "Healthy", holds=True, playbook="mirror"), 0.0)
    assert (len(view.facts), view.demos) == (1, {})


# -- in a pipe ------------------------------------------------------------------------------------------------------


def test_each_line_says_which_demonstration_it_is_about() -> None:
    lines = plain(*EVENTS)
    assert "demonstration of mirror: started" in lines
    assert "basic-canary: expect-rollout: waiting: step of basic-canary" in lines
    assert "✔ basic-canary  expect-rollout  step of basic-canary: 1/8" in lines
    assert "✖ mirror  evidence  answers of mirror's canary: 3 (expected none)" in lines
    assert "mirror: rollout 'mirror' aborted" in lines
    assert "basic-canary: evidence: asking (250/500)" in lines


def test_it_ends_with_a_table_and_the_reasons_in_full() -> None:
    lines = plain(*EVENTS)
    table = lines.index("✔ basic-canary  passed    40.2 s  1 fact held")
    assert lines[table + 1 :] == [
        "✖ blue-green    failed     0.0 s  0 facts held",
        "✖ mirror        failed     8.1 s  0 of 1 fact held",
        "✖ demonstration blue-green failed after 0.0 s",
        "    stage blue-green failed: Service blue-green: refused",
        "✖ demonstration mirror failed after 8.1 s",
        *(f"    {line}" for line in MIRRORED.splitlines()),
        "1 of 3 demonstrations passed: 0 changed, 0 unchanged, 1 failed, 1 of 2 facts held in 41.5 s",
    ]


def test_why_one_failed_is_said_in_full_only_once() -> None:
    text = "\n".join(plain(*EVENTS))
    assert all(text.count(line) == 1 for line in MIRRORED.splitlines()[1:])


def test_all_that_passed_are_counted() -> None:
    passed = RunFinished("demo", ok=True, seconds=9.0, demos={"a": "passed", "b": "passed"})
    assert plain(EVENTS[0], passed)[-1].startswith("2 demonstrations passed: ")


def test_what_was_reset_is_at_rest_and_not_passed() -> None:
    lines = plain(*reset("passed"))
    assert lines[1:3] == ["demonstration of mirror: started", "demonstration of mirror: at rest after 1.0 s"]
    assert lines[-2:] == ["✔ mirror  at rest     1.0 s  0 facts held", "everything is at rest in 1.0 s"]


def test_what_was_interrupted_is_said_to_be_and_why_is_reported_once() -> None:
    lines = plain(*EVENTS[:1], DemoFinished("mirror", "interrupted", 1.0, reason="interrupted"), EVENTS[-1])
    assert "demonstration of mirror: interrupted after 1.0 s" in lines
    assert "✖ mirror        interrupted     1.0 s  0 facts held" in lines
    assert not any("mirror failed" in line for line in lines)


@pytest.mark.parametrize("state", ["passed", "failed", "interrupted", "skipped"])
def test_a_window_too_low_for_all_takes_demonstrations_in_every_state(state: str) -> None:
    view = view_of(EVENTS[0], DemoFinished("mirror", state, 1.0))  # type: ignore[arg-type]
    assert len(shown(view, height=3)) == 3


def test_what_a_demonstration_on_its_own_says_is_not_given_its_name() -> None:
    assert plain(Notice("rollout 'mirror' aborted", "mirror")) == ["rollout 'mirror' aborted"]
    fact = Fact("healthy", "status", "Healthy", "Healthy", holds=True, playbook="mirror")
    assert plain(fact) == ["healthy", "✔ status: Healthy"]


# -- on a terminal --------------------------------------------------------------------------------------------------


def test_there_is_a_row_for_each_demonstration_below_the_stages() -> None:
    rows = shown(view_of(*UNTIL_ONE_FAILED), width=100)
    assert [row.split()[:3] for row in rows[:4]] == [
        ["✖", "blue-green", "manifests"],
        ["⠋", "basic-canary", "demonstration"],
        ["✖", "blue-green", "demonstration"],
        ["✖", "mirror", "demonstration"],
    ]
    assert rows[1].endswith("0 s  expect-rollout: step of basic-canary")
    assert "failed, 0 of 1 fact held: demo step evidence" in rows[3]
    assert rows[-1] == "⠋ 1 of 1 stage, 2 of 3 demonstrations, 0 s"


def test_what_is_counted_has_a_bar_in_the_demonstrations_row() -> None:
    row = shown(view_of(*EVENTS[:12]), width=100)[1]
    assert "250/500" in row
    assert "evidence: asking" in row


@pytest.mark.parametrize("width", [20, 60, 120])
@pytest.mark.parametrize("height", [2, 5, 24])
def test_no_frame_is_larger_than_the_window(width: int, height: int) -> None:
    rows = shown(view_of(*UNTIL_ONE_FAILED), 20.0, width, height)
    assert len(rows) <= height
    assert max(cell_len(row) for row in rows) <= width


def test_facts_scroll_by_with_the_demonstration_and_the_step_they_belong_to() -> None:
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", on_a_terminal(tell(EVENTS)))
    assert "✔ basic-canary  expect-rollout  step of basic-canary: 1/8" in text
    assert "mirror: rollout 'mirror' aborted" in text


def test_the_ending_has_the_table_the_reasons_and_the_summary() -> None:
    lines = [line.rstrip() for line in lasting(on_a_terminal(tell(EVENTS))).splitlines() if line.strip()]
    assert lines[1] == "✔ basic-canary  demonstration   40.2 s  passed, 1 fact held"
    at = lines.index("✖ demonstration mirror failed after 8.1 s")
    assert lines[at + 1 : at + 4] == [f"    {line}" for line in MIRRORED.splitlines()]
    assert lines[-1].startswith("1 of 3 demonstrations passed")


def test_a_run_that_breaks_off_says_which_were_under_way() -> None:
    lines = lasting(on_a_terminal(tell(EVENTS[:6]))).splitlines()
    assert any(re.fullmatch(r"✖ mirror +demonstration +\d+\.\d s  interrupted *", line) for line in lines)
    assert not any("not reached" in line for line in lines)
