from __future__ import annotations

import os
import pty
import re
import threading
from collections.abc import Callable, Iterable

import pytest
from report_samples import REFUSED, demo, failed_up, plan, stage, started
from rich.cells import cell_len
from rich.console import ConsoleDimensions

from canarylab.events import Event, Failure, Notice, StageChange, StageFinished, StageProgress, StageStarted
from canarylab.report.console_live import LiveConsole
from canarylab.report.live_table import frame, table
from canarylab.report.marks import ASCII, UNICODE, Marks
from canarylab.report.run_view import RunView

NAMES = ("programs", "machine", "cluster", "istio-base", "istiod", "istio-ingressgateway", "rollouts-demo")
RUN = started("up", stage("programs", kind="programs"), *(stage(each, "programs") for each in NAMES[1:]))
SHOW_CURSOR, HIDE_CURSOR = "\x1b[?25h", "\x1b[?25l"


def view_of(*events: Event, now: float = 0.0) -> RunView:
    view = RunView()
    for event in events:
        view.apply(event, now)
    return view


def shown(view: RunView, now: float = 0.0, width: int = 80, height: int = 24, marks: Marks = UNICODE) -> list[str]:
    return [each.plain for each in frame(view, now, marks, ConsoleDimensions(width, height))]


def test_there_is_a_row_for_each_stage_in_the_playbooks_order() -> None:
    rows = shown(view_of(RUN))
    assert [row.split()[1] for row in rows[:-1]] == list(NAMES)


def test_a_waiting_stage_says_what_it_waits_for() -> None:
    assert shown(view_of(RUN))[2] == "○ cluster                        waits for programs"


def test_a_running_stage_ticks_and_says_what_it_does() -> None:
    view = view_of(RUN, StageStarted("machine"), StageChange("machine", "start", "containerd", "isn't running"))
    assert shown(view, 12.9)[1] == "⠸ machine                  12 s  start containerd"
    view.apply(StageProgress("machine", "waiting for the socket"), 13.0)
    assert shown(view, 75.0)[1].endswith("1:15  waiting for the socket")


def test_counted_work_has_a_bar_a_count_and_the_time_left() -> None:
    view = view_of(RUN, StageStarted("programs"), StageProgress("programs", "compiling k8s.io/api", 0, 1004))
    view.apply(StageProgress("programs", "compiling k8s.io/api", 251, 1004), 200.0)
    row = shown(view, 200.0)[0]
    assert row == "⠋ programs                 3:20  ━━━━─────────── 251/1004, 10 min left"


@pytest.mark.parametrize("state", ["changed", "unchanged"])
def test_a_finished_stage_says_what_came_of_it_and_how_long_it_took(state: str) -> None:
    view = view_of(RUN, StageStarted("machine"), StageFinished("machine", state, 3.21))
    assert shown(view)[1] == f"✔ machine                 3.2 s  {state}"


def test_a_teardown_says_removed_where_something_was_removed() -> None:
    view = view_of(started("teardown", stage("machine")), StageFinished("machine", "changed", 1.0))
    assert shown(view)[0].endswith("removed")


def test_a_wide_window_shows_kinds_too() -> None:
    assert shown(view_of(RUN), width=120)[4] == "○ istiod                helm-release           waits for programs"


def test_a_failed_stage_shows_its_reason_below_while_the_others_go_on() -> None:
    rows = shown(view_of(*failed_up()))
    assert rows[1] == "✖ rollouts-demo  manifests       3.2 s  failed: rollouts-demo-vsvc1: Istio refu…"
    assert rows[3] == "✖ rollouts-demo failed after 3.2 s"
    assert rows[4] == "    rollouts-demo-vsvc1: Istio refused it"
    assert rows[7].startswith("    next: give the VirtualService the host *.rollouts-demo")


def test_what_a_step_of_the_demonstration_waits_for_is_shown_in_full() -> None:
    message = "waiting: status of rollouts-demo: expected Paused, saw Progressing"
    view = view_of(started("demo"), StageProgress("expect-rollout", message))
    assert shown(view, 3.0, width=110)[0] == f"⠼ expect-rollout      3 s  {message}"
    assert shown(view, 3.0, width=60)[:-1] == [
        "⠼ expect-rollout      3 s",
        "  waiting: status of rollouts-demo: expected Paused, saw",
        "  Progressing",
    ]


def test_streams_that_cannot_hold_the_marks_get_ascii() -> None:
    view = view_of(*failed_up(), StageStarted("last"), StageProgress("last", "x" * 99, 1, 2))
    assert all(row.isascii() for width in (30, 80, 120) for row in shown(view, 9.0, width=width, marks=ASCII))


@pytest.mark.parametrize("width", [8, 20, 40, 60, 80, 120])
@pytest.mark.parametrize("height", [1, 2, 5, 10, 24])
def test_no_frame_is_larger_than_the_window(width: int, height: int) -> None:
    view = view_of(*failed_up())
    for each in NAMES:
        view.apply(StageStarted(each), 0.0)
        view.apply(StageProgress(each, "編譯 " * 30, 251, 1004), 0.0)
    rows = shown(view, 20.0, width, height)
    assert len(rows) <= height
    assert max(cell_len(row) for row in rows) <= width


def test_a_window_too_low_for_all_stages_shows_those_that_run_and_counts_the_others() -> None:
    view = view_of(RUN, *(StageFinished(each, "changed", 1.0) for each in NAMES[:3]), StageStarted("rollouts-demo"))
    rows = shown(view, height=4)
    assert rows[0].startswith("○ istio-base")
    assert rows[1].startswith("⠋ rollouts-demo")
    assert rows[2] == "  and 3 changed, 2 waiting"


def test_the_last_table_is_never_shortened() -> None:
    assert len(table(view_of(RUN), 0.0, UNICODE, 80)) == len(NAMES)


def on_a_terminal(use: Callable[[LiveConsole], None]) -> str:
    """Everything that a live console wrote to a real terminal."""
    ours, theirs = pty.openpty()
    written: list[bytes] = []
    reading = threading.Thread(target=_read_all, args=(ours, written))
    reading.start()
    try:
        with os.fdopen(theirs, "w", encoding="utf-8") as stream:
            use(LiveConsole(stream))
    finally:
        reading.join()
        os.close(ours)
    return b"".join(written).decode()


def _read_all(descriptor: int, into: list[bytes]) -> None:
    try:
        while chunk := os.read(descriptor, 65536):
            into.append(chunk)
    except OSError:
        pass  # Linux: the other end was closed


def tell(events: Iterable[Event]) -> Callable[[LiveConsole], None]:
    def use(console: LiveConsole) -> None:
        with console as report:
            for event in events:
                report(event)

    return use


def lasting(raw: str) -> str:
    """What stays on the screen after the live view has taken itself away."""
    after = raw[raw.rindex(SHOW_CURSOR) :]
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", after).replace("\r\n", "\n")


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_the_ending_has_the_table_the_whole_reason_and_the_summary() -> None:
    text = lasting(on_a_terminal(tell(failed_up())))
    assert (
        text.index("skipped") < text.index("✖ rollouts-demo failed after 3.2 s") < text.index("0 changed, 1 unchanged")
    )
    for line in REFUSED.splitlines():
        assert text.count(" ".join(line.split()[-2:])) == 1
    assert text.endswith("critical path istiod > \nrollouts-demo 3.4 s\n")


def test_a_command_to_paste_is_not_broken_into_lines() -> None:
    assert f"    {REFUSED.splitlines()[-1]}\n" in lasting(on_a_terminal(tell(failed_up())))


def test_the_cursor_comes_back_at_the_end() -> None:
    raw = on_a_terminal(tell(failed_up()))
    assert raw.rindex(HIDE_CURSOR) < raw.rindex(SHOW_CURSOR)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_the_cursor_comes_back_and_the_table_says_how_far_it_came_when_a_run_breaks_off(
    error: type[BaseException],
) -> None:
    def broken_off(console: LiveConsole) -> None:
        with pytest.raises(error), console as report:
            report(RUN)
            report(StageStarted("programs"))
            raise error

    raw = on_a_terminal(broken_off)
    assert raw.rindex(HIDE_CURSOR) < raw.rindex(SHOW_CURSOR)
    text = lasting(raw)
    assert re.search(r"✖ programs +\d+\.\d s  interrupted", text)
    assert text.count("not reached") == len(NAMES) - 1


def test_an_error_after_the_end_is_still_shown() -> None:
    text = lasting(on_a_terminal(tell([*plan(), Failure("this is a bug: KeyError\nwhere: bug.txt", 70)])))
    assert text.endswith("in 0.3 s\n✖ this is a bug: KeyError\n  where: bug.txt\n")


def test_an_error_before_the_start_is_shown() -> None:
    raw = on_a_terminal(tell([Failure("another run holds the profile\nnext: wait", 4)]))
    assert lasting(raw) == "✖ another run holds the profile\n  next: wait\n"


def test_facts_scroll_by_under_their_step() -> None:
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", on_a_terminal(tell(demo())))
    step, fact = (
        text.index("expect-routes"),
        text.index("  ✔ weights of http route primary of rollouts-demo-vsvc1: 95/5"),
    )
    assert step < fact < text.index("  ✖ weights of tls route")
    assert text.count("expect-routes") == 1


def test_what_a_teardown_will_remove_scrolls_by_before_it_does() -> None:
    going = [StageChange("istiod", "remove", f"Secret x/{name}", "we made it") for name in "ab"]
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", on_a_terminal(tell([started("teardown", stage("istiod")), *going])))
    assert text.index("  - remove Secret x/a: we made it") < text.index("  - remove Secret x/b: we made it")


def test_a_plan_is_printed_in_the_playbooks_order_with_its_diffs() -> None:
    text = lasting(on_a_terminal(tell(plan())))
    assert text == (
        "✔ istiod  up to date\n"
        "○ rollouts-demo  manifests  2 changes\n"
        "  ~ update Rollout default/rollouts-demo: replicas differ\n"
        "      --- live\n"
        "      +++ wanted\n"
        "      @@ -3,3 +3,3 @@\n"
        "       spec:\n"
        "      -  replicas: 1\n"
        "      +  replicas: 5\n"
        "  + create Service default/rollouts-demo-canary: isn't there\n"
        "1 would change, 1 unchanged, 0 failed in 0.3 s\n"
    )


def test_text_that_looks_like_markup_is_shown_as_it_is() -> None:
    assert "[bold]x[/] :smile: 1" in on_a_terminal(tell([RUN, Notice("[bold]x[/] :smile: 1")]))


def test_no_color_leaves_out_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    colour = re.compile(r"\x1b\[[0-9;]*3[0-7]m")
    assert colour.search(on_a_terminal(tell(failed_up())))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colour.search(on_a_terminal(tell(failed_up())))
