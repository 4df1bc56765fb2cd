from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from report_samples import DIFF, REFUSED, Clock, demo, failed_up, plan, stage, started

from canarylab.events import Event, Fact, Failure, Notice, RunFinished, StageFinished, StageProgress, StageStarted
from canarylab.report import console_plain
from canarylab.report.console_plain import PlainConsole


def printed(events: Iterable[Event]) -> str:
    stream = io.StringIO()
    with PlainConsole(stream, Clock()) as report:
        for event in events:
            report(event)
    return stream.getvalue()


def printed_over_time(*events: tuple[float, Event]) -> list[str]:
    stream, clock = io.StringIO(), Clock()
    begin = clock.now
    report = PlainConsole(stream, clock)
    for seconds, event in events:
        clock.now = begin + seconds
        report(event)
    return stream.getvalue().splitlines()


def test_every_line_says_how_long_the_run_has_taken() -> None:
    assert printed_over_time((0, started("up", stage("istiod"))), (12.34, StageStarted("istiod"))) == [
        "[   0.0 s] up istio-canary on argo-istio-canary (embedded)",
        "[  12.3 s] istiod: started",
    ]


def test_a_failed_stage_says_why_in_full_and_only_once() -> None:
    text = printed(failed_up())
    for line in REFUSED.splitlines():
        assert text.count(line) == 1
    assert "[   0.0 s] rollouts-demo: failed after 3.2 s: rollouts-demo-vsvc1: Istio refused it" in text
    assert "\n           command: kubectl --context argo-istio-canary apply" in text


def test_the_last_line_is_the_summary() -> None:
    assert printed(failed_up()).splitlines()[-1] == (
        "[   0.0 s] 0 changed, 1 unchanged, 1 failed, 1 skipped in 41.2 s; critical path istiod > rollouts-demo 3.4 s"
    )


def test_up_names_changes_without_their_diffs() -> None:
    text = printed(failed_up())
    assert "rollouts-demo: create VirtualService default/rollouts-demo-vsvc1: isn't there" in text
    assert "replicas: 5" not in text


def test_plan_shows_the_diffs() -> None:
    lines = printed(plan()).splitlines()
    at = lines.index("[   0.0 s] rollouts-demo: update Rollout default/rollouts-demo: replicas differ")
    assert [line.removeprefix(" " * 11) for line in lines[at + 1 : at + 7]] == DIFF.splitlines()
    assert lines[-1].endswith("1 would change, 1 unchanged, 0 failed in 0.3 s")


def test_facts_stand_under_their_step_with_what_was_seen_and_expected() -> None:
    assert [line.removeprefix("[   0.0 s] ") for line in printed(demo()).splitlines()[1:]] == [
        "waiting: step: expected 1/2, saw 0/2",
        "expect-rollout",
        "✔ step of rollouts-demo: 1/2",
        "expect-routes",
        "✔ weights of http route primary of rollouts-demo-vsvc1: 95/5",
        "✖ weights of tls route of rollouts-demo-vsvc1: 100/0 (expected 95/5)",
        "the demonstration did not pass: 2 of 3 facts held in 12.0 s",
    ]


def last_line(*events: Event) -> str:
    return printed(events).splitlines()[-1].removeprefix("[   0.0 s] ")


def test_the_end_of_a_demonstration_says_that_it_passed() -> None:
    fact = Fact("measure", "share", "5 % in the interval", "5.1 %", holds=True)
    assert "✔ share: 5.1 % (expected 5 % in the interval)" in printed([started("demo"), fact])
    end = RunFinished("demo", ok=True, seconds=41.0)
    assert last_line(started("demo"), fact, end) == "the demonstration passed: 1 fact held in 41.0 s"
    reset = RunFinished("demo --reset", ok=True, seconds=3.0)
    assert last_line(started("demo --reset"), reset) == "everything is at rest in 3.0 s"


@pytest.mark.parametrize(
    ("command", "changed", "path"),
    [
        ("teardown", ("a", "b"), ("a", "b")),
        ("plan", ("b",), ("a", "b")),
        ("up", (), ("a", "b")),
        ("up", ("a",), ("a",)),
    ],
)
def test_a_critical_path_that_says_nothing_is_left_out(
    command: str, changed: tuple[str, ...], path: tuple[str, ...]
) -> None:
    end = RunFinished(command, ok=True, seconds=2.0, changed=changed, critical_path=path, critical_path_seconds=2.0)
    assert "critical path" not in last_line(started(command, stage("a"), stage("b", "a")), end)


def test_counted_work_is_mentioned_every_ten_seconds_for_each_stage() -> None:
    work = [(second / 2, StageProgress("programs", f"compiling {second}", second, 100)) for second in range(50)]
    other = (0.2, StageProgress("image-blue", "building", 1, 7))
    lines = printed_over_time(work[0], other, *work[1:])
    assert lines == [
        "[   0.0 s] programs: compiling 0 (0/100)",
        "[   0.2 s] image-blue: building (1/7)",
        "[  10.0 s] programs: compiling 20 (20/100)",
        "[  20.0 s] programs: compiling 40 (40/100)",
    ]


def test_a_step_that_lasts_is_named_although_it_came_soon_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """minikube's first steps come within a second, and then it makes the virtual machine for minutes."""
    monkeypatch.setattr(console_plain, "LASTS", 0.2)
    stream = io.StringIO()
    with PlainConsole(stream) as report:
        for number, step in (
            (0, "minikube v1.38.1 on Darwin"),
            (1, "Using the qemu2 driver"),
            (9, "Creating qemu2 VM"),
        ):
            report(StageProgress("cluster", step, number, 19))
        report(StageProgress("image-blue", "compiling", 1, 7))
        deadline = time.monotonic() + 20
        while "Creating" not in stream.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
        for number, step in ((11, "Preparing Kubernetes"), (12, "Configuring bridge CNI"), (19, "Done!")):
            report(StageProgress("cluster", step, number, 19))
        report(StageFinished("cluster", "changed", 1.0))
        time.sleep(0.5)
    assert [line.partition("] ")[2] for line in stream.getvalue().splitlines()] == [
        "cluster: minikube v1.38.1 on Darwin (0/19)",
        "image-blue: compiling (1/7)",
        "cluster: Creating qemu2 VM (9/19)",
        "cluster: changed after 1.0 s",
    ]


def test_of_one_piece_of_work_the_counts_alone_are_not_news(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_plain, "LASTS", 0.05)
    stream = io.StringIO()
    with PlainConsole(stream) as report:
        report(StageProgress("programs", "compiling Kubernetes", 1, 900))
        report(StageProgress("programs", "compiling Kubernetes", 2, 900))
        time.sleep(0.3)
    assert len(stream.getvalue().splitlines()) == 1


def test_nothing_is_named_once_the_run_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_plain, "LASTS", 0.1)
    stream = io.StringIO()
    with PlainConsole(stream) as report:
        report(StageProgress("cluster", "a", 0, 19))
        report(StageProgress("cluster", "b", 1, 19))
    time.sleep(0.3)
    assert len(stream.getvalue().splitlines()) == 1


def test_the_same_message_is_not_repeated() -> None:
    waiting = StageProgress("istiod", "0 of 1 replicas are ready")
    assert len(printed([waiting, waiting, StageProgress("istiod", "ready"), waiting]).splitlines()) == 3


def test_why_a_stage_changed_is_said_with_the_change_and_not_again_at_its_end() -> None:
    assert (
        printed([StageFinished("istiod", "changed", 9.2, "isn't there")]) == "[   0.0 s] istiod: changed after 9.2 s\n"
    )


def test_a_teardown_says_removed_where_something_was_removed() -> None:
    events = [started("teardown", stage("machine")), StageFinished("machine", "changed", 1.0)]
    assert printed(events).endswith("machine: removed after 1.0 s\n")


def test_a_failure_that_is_not_a_stages_is_shown() -> None:
    assert "✖ interrupted\n" in printed([started("up"), Failure("interrupted", 130)])


def test_notices_are_shown_as_they_are() -> None:
    assert "] kubectl --context argo-istio-canary get ro\n" in printed(
        [Notice("kubectl --context argo-istio-canary get ro")]
    )


def test_colours_and_cursor_movements_of_programs_do_not_reach_the_log() -> None:
    text = printed([StageFinished("image-blue", "failed", 1.0, "\x1b[31mred\x1b[0m\r\n50%\r100%\x07\x1b[2K")])
    assert text == "[   0.0 s] image-blue: failed after 1.0 s: red\n           50%\n           100%\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_every_encoding_can_show_every_text(encoding: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    report = PlainConsole(stream, Clock())
    for event in (*demo(), Notice("⟳ rollouts-demo \udcff")):
        report(event)
    text = raw.getvalue().decode(encoding)
    assert ("✔ step of" if encoding == "utf-8" else "+ step of") in text
    assert ("⟳" if encoding == "utf-8" else "? rollouts-demo") in text


def test_a_reader_that_went_away_does_not_end_the_run(tmp_path: Path) -> None:
    program = """
import sys
from canarylab.report import choose
from report_samples import failed_up
with choose("text", sys.stdout) as report:
    for _ in range(2000):
        for event in failed_up():
            report(event)
open(sys.argv[1], "w").write("went on")
"""
    here = Path(__file__).parent
    env = {**os.environ, "PYTHONPATH": f"{here.parent.parent}:{here}"}
    writer = subprocess.Popen([sys.executable, "-c", program, tmp_path / "end"], env=env, stdout=-1, stderr=-1)
    assert writer.stdout
    writer.stdout.readline()
    writer.stdout.close()
    assert writer.stderr
    assert writer.stderr.read() == b""
    assert writer.wait() == 0
    assert (tmp_path / "end").read_text() == "went on"
