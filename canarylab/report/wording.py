"""What consoles say about a run, in one place: headings, facts, changes, failures and the summary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from canarylab.events import Fact, Failure, Notice, RunFinished, RunStarted, StageChange
from canarylab.report.formatting import clean, count, seconds
from canarylab.report.lines import Line, Piece, block, line, marked
from canarylab.report.marks import Marks
from canarylab.report.run_view import DEMONSTRATION, RunView, StageView

_ACTIONS = {**dict.fromkeys(("create", "build", "start"), ("+", "green")), "remove": ("-", "red")}
"""Sign and style of an action; any other changes what is there."""
_DIFF_STYLES = {"+": "green", "-": "red", "@": "cyan"}
_STATES = {
    ("plan", "changed"): "would change",
    ("teardown", "changed"): "removed",
    ("demo --reset", "passed"): "at rest",
}
"""How a command calls what came of a stage or a demonstration, where it has words of its own for it."""
_VERDICTS = {
    "demo": {True: "the demonstration passed", False: "the demonstration did not pass"},
    "demo --reset": {True: "everything is at rest", False: "the reset failed"},
}
"""How it ended, by command and whether all went well."""


def in_words(state: str, command: str) -> str:
    """What a stage or a demonstration came to under this command, such as `changed`, `would change`, `removed`."""
    return _STATES.get((command, state), state)


def heading(run: RunStarted) -> Line:
    """The first line of a run: command, playbook, profile and provider."""
    where = f" on {run.profile} ({run.provider})"
    return Line((Piece(f"{run.command} {run.playbook}", "bold"), Piece(where, "dim")))


def fact(event: Fact, marks: Marks) -> Line:
    """What was seen, and what was expected where that says something else."""
    says_it = event.holds and event.seen == event.expected
    expected = "" if says_it else f" (expected {event.expected})"
    return marked(marks.of("passed" if event.holds else "failed"), f"{event.text}: {event.seen}", expected)


def fact_of_several(event: Fact, marks: Marks) -> Line:
    """With the demonstration and the step that it belongs to: others' facts stand between."""
    said = fact(event, marks)
    return Line((Piece(f"{event.playbook}  ", "bold"), Piece(f"{event.step}  ", "dim"), *said.body), said.lead)


def notice(event: Notice, view: RunView) -> str:
    """With the demonstration that it is about, where there are several."""
    return f"{event.playbook}: {event.message.strip()}" if event.playbook in view.demos else event.message.strip()


def change(event: StageChange) -> Line:
    """What is done to which object, and why."""
    sign, style = _ACTIONS.get(event.action, ("~", "yellow"))
    return Line((Piece(f"{event.action} {event.subject}", style), Piece(f": {event.reason}"))).after(f"{sign} ", style)


def diff(text: str, indent: int) -> Iterator[Line]:
    """The lines of a unified diff, coloured as `git diff` does it."""
    for each in clean(text).rstrip("\n").split("\n"):
        is_header = each.startswith(("+++", "---"))
        style = "bold" if is_header else _DIFF_STYLES.get(each[:1], "dim")
        yield line(each, style, indent=indent, verbatim=True)


def stage_failed(stage: StageView, marks: Marks) -> list[Line]:
    """The whole reason of a failed stage."""
    kind = f"{DEMONSTRATION} " if stage.kind == DEMONSTRATION else ""  # a stage may have the same name
    title = f"{kind}{stage.name} failed after {seconds(stage.seconds)}"
    return [marked(marks.of("failed"), title), *block(stage.reason, indent=4)]


def run_failed(failure: Failure, marks: Marks) -> list[Line]:
    """Why the run failed: its first line marked, the others below it."""
    first, _, rest = failure.message.strip().partition("\n")
    return [marked(marks.of("failed"), first), *block(rest, indent=2)]


def failures(view: RunView, marks: Marks) -> list[Line]:
    """Why it went wrong: of stages and demonstrations, then of the run where that is not the same."""
    reasons = {stage.reason.strip() for stage in view.failed}
    lines = [each for stage in view.failed for each in stage_failed(stage, marks)]
    for failure in view.failures:
        if failure.message.strip() not in reasons:
            lines += run_failed(failure, marks)
    return lines


def plan(view: RunView, marks: Marks) -> list[Line]:
    """All that would change, stage by stage in the playbook's order, with the differences."""
    return [each for stage in view.stages.values() for each in _planned(stage, marks)]


def _planned(stage: StageView, marks: Marks) -> Iterator[Line]:
    if stage.changes:
        changes = Piece(f"  {count(len(stage.changes), 'change')}")
        body = (Piece(stage.name, "bold"), Piece(f"  {stage.kind}", "dim"), changes)
        yield Line(body).after(f"{marks.waiting} ", "yellow")
        for event in stage.changes:
            yield change(event).after("  ")
            yield from diff(event.diff, indent=6) if event.diff else ()
    elif stage.status == "unchanged":
        yield marked(marks.of("unchanged"), stage.name, "  up to date")
    elif stage.status != "failed":
        yield marked(marks.of("skipped"), stage.name, f"  {stage.reason or stage.status}")


def summary(event: RunFinished, view: RunView) -> Line:
    """The last line of a run."""
    facts = held(view.facts) if view.facts else ""
    counts = ", ".join(filter(None, (_stages(event, view), facts)))
    outcome = ": ".join(filter(None, (_verdict(event), counts))) or event.command
    text = f"{outcome} in {seconds(event.seconds)}"
    if _has_critical_path(event):
        text += f"; critical path {' > '.join(event.critical_path)} {seconds(event.critical_path_seconds)}"
    return line(text, "bold green" if event.ok else "bold red")


def _verdict(event: RunFinished) -> str:
    if event.command == "demo" and event.demos:
        passed = sum(state == "passed" for state in event.demos.values())
        total = count(len(event.demos), "demonstration")
        return f"{total} passed" if passed == len(event.demos) else f"{passed} of {total} passed"
    return _VERDICTS[event.command][event.ok] if event.command in _VERDICTS else ""


def _has_critical_path(event: RunFinished) -> bool:
    """Whether the chain that took longest says where the time went: stages ran side by side, and did something."""
    return event.command == "up" and len(event.critical_path) > 1 and bool(event.changed or event.failed)


def _stages(event: RunFinished, view: RunView) -> str:
    if not view.stages:
        return ""
    changed = {*event.changed, *(stage.name for stage in view.stages.values() if stage.status == "planned")}
    counts = {in_words("changed", event.command): changed, "unchanged": event.unchanged, "failed": event.failed}
    said = [f"{len(stages)} {state}" for state, stages in counts.items()]
    return ", ".join([*said, f"{len(event.skipped)} skipped"] if event.skipped else said)


def held(facts: Sequence[Fact]) -> str:
    """How many of the facts held: `41 facts held`, `40 of 41 facts held`."""
    good = sum(each.holds for each in facts)
    return f"{good} of {count(len(facts), 'fact')} held" if good < len(facts) else f"{count(good, 'fact')} held"


def demos(view: RunView, marks: Marks) -> list[Line]:
    """A line for each demonstration, then in full why some failed."""
    rows = [(row, in_words(row.status, view.command)) for row in view.demos.values()]
    name = max((len(row.name) for row, _ in rows), default=0)
    width = max((len(said) for _, said in rows), default=0)
    lines = []
    for row, said in rows:
        mark = marks.of(row.status if row.status in ("passed", "skipped") else "failed")
        lines.append(marked(mark, f"{row.name:{name}}  {said:{width}}  {seconds(row.seconds):>8}  {held(row.facts)}"))
    return lines + [each for row, _ in rows if row.status == "failed" for each in stage_failed(row, marks)]
