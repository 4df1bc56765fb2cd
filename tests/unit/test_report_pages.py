"""Status, receipt and findings."""

from __future__ import annotations

import io
import json
import os
import pty
from collections.abc import Sequence

import pytest

from canarylab.contract.provider import Finding
from canarylab.removal import Removal
from canarylab.report import findings, receipt, status
from canarylab.report.lines import all_text
from canarylab.report.marks import UNICODE
from canarylab.report.status import RolloutCause, StageStatus, StatusReport

TREE = "NAME\n⟳ rollouts-demo  Rollout  ✔ Healthy\n└──# revision:1"

FINDINGS = (
    Finding("memory", ok=True, seen="14 GiB free"),
    Finding("swap", ok=False, seen="2 GiB on", remedy="swapoff -a", fatal=False),
    Finding("root", ok=False, seen="uid 1000", remedy="sudo invoke up\nor run it as root"),
)

RECEIPT: tuple[tuple[str, list[Removal]], ...] = (
    ("rollouts-demo", [Removal("Rollout default/rollouts-demo", "removed")]),
    ("istiod", []),
    ("cluster", [Removal("program cache", "left", "all profiles share it"), Removal("mount x", "failed", "busy")]),
)


def stage(name: str, state: str = "present", **others: object) -> StageStatus:
    known = {"healthy": True, "drifted": False, "reason": "", "facts": {}}
    return {"name": name, "kind": "manifests", "state": state, **known, **others}  # type: ignore[typeddict-item]


def report(
    *stages: StageStatus,
    gateway: str | None = "10.96.3.4",
    rollout: str | None = None,
    rollout_problem: str | None = None,
    causes: Sequence[RolloutCause] = (),
) -> StatusReport:
    return {
        "profile": "lab",
        "provider": "embedded",
        "kubeconfig": "/state/lab/kubeconfig",
        "context": "lab",
        "gateway": gateway,
        "stages": stages,
        "rollout": rollout,
        "rollout_problem": rollout_problem,
        "causes": list(causes),
    }


def status_text(**others: object) -> str:
    return all_text(status.lines(report(stage("a", **others)), UNICODE)).splitlines()[-1]


def test_status_names_the_cluster_and_the_gateways_address() -> None:
    lines = all_text(status.lines(report(), UNICODE)).splitlines()
    assert lines[:4] == [
        "profile     lab (embedded)",
        "context     lab",
        "kubeconfig  /state/lab/kubeconfig",
        "gateway     10.96.3.4",
    ]
    assert "gateway     no address" in all_text(status.lines(report(gateway=None), UNICODE))


@pytest.mark.parametrize(
    ("condition", "line"),
    [
        ({"facts": {"version": "1.31", "replicas": 1}}, "✔ a  manifests  healthy  version 1.31, replicas 1"),
        ({"healthy": False, "reason": "no pods"}, "✖ a  manifests  not healthy: no pods"),
        ({"drifted": True, "reason": "replicas differ"}, "! a  manifests  healthy, drifted: replicas differ"),
        ({"healthy": False, "drifted": True}, "✖ a  manifests  not healthy, drifted"),
        ({"state": "absent", "healthy": False}, "○ a  manifests  absent"),
        ({"state": "unknown", "reason": "no cluster"}, "? a  manifests  unknown: no cluster"),
    ],
)
def test_status_says_of_each_stage_how_it_is_and_why(condition: dict[str, object], line: str) -> None:
    assert status_text(**condition) == line


def test_status_shows_the_rollouts_tree_as_the_plugin_prints_it() -> None:
    assert all_text(status.lines(report(rollout=TREE), UNICODE)).endswith(f"\n\n{TREE}")


def test_status_says_why_a_rollout_does_not_get_on_and_what_to_do() -> None:
    cause: RolloutCause = {"rollout": "shop/web", "why": "exceeded quota: pods", "remedy": "raise the quota"}
    lines = all_text(status.lines(report(stage("a"), causes=[cause]), UNICODE)).splitlines()
    assert lines[-2:] == ["! Rollout shop/web: exceeded quota: pods", "  next: raise the quota"]


def test_status_says_in_place_of_the_tree_what_is_missing_for_it() -> None:
    problem = "the tree can't be shown: the plugin isn't on this machine\nnext: `invoke doctor`"
    lines = all_text(status.lines(report(stage("a"), rollout_problem=problem), UNICODE)).splitlines()
    assert lines[-3:] == [
        "",
        "! the tree can't be shown: the plugin isn't on this machine",
        "  next: `invoke doctor`",
    ]


def test_status_lines_its_columns_up() -> None:
    lines = all_text(status.lines(report(stage("a"), stage("much-longer")), UNICODE)).splitlines()[-2:]
    assert lines[0].index("manifests") == lines[1].index("manifests")


def test_a_receipt_says_what_was_removed_left_and_failed_by_stage() -> None:
    assert all_text(receipt.lines(RECEIPT, UNICODE)).splitlines() == [
        "rollouts-demo",
        "  ✔ removed  Rollout default/rollouts-demo",
        "cluster",
        "  ○ left     program cache: all profiles share it",
        "  ✖ failed   mount x: busy",
        "3 found: 1 removed, 1 left, 1 failed",
    ]


@pytest.mark.parametrize("empty", [[], [("cluster", [])]])
def test_a_receipt_of_nothing_says_so(empty: list[tuple[str, list[Removal]]]) -> None:
    assert all_text(receipt.lines(empty, UNICODE)) == "nothing there"


def test_findings_come_worst_first_with_their_remedies_and_a_verdict() -> None:
    assert all_text(findings.lines(FINDINGS, UNICODE)).splitlines() == [
        "✖ root    uid 1000",
        "    next: sudo invoke up",
        "          or run it as root",
        "! swap    2 GiB on",
        "    next: swapoff -a",
        "✔ memory  14 GiB free",
        "this machine can't do it yet: 1 finding to fix, listed first",
    ]


@pytest.mark.parametrize(
    ("which", "verdict"),
    [
        (FINDINGS[:1], "this machine can do it"),
        (FINDINGS[:2], "this machine can do it; 1 finding worth a look"),
        ((), "this machine can do it"),
    ],
)
def test_the_verdict_follows_from_the_findings(which: tuple[Finding, ...], verdict: str) -> None:
    assert all_text(findings.lines(which, UNICODE)).splitlines()[-1] == verdict


def test_json_is_one_object_on_one_line() -> None:
    stream = io.StringIO()
    status.show(report(stage("a"), rollout=TREE), "json", stream)
    receipt.show(RECEIPT, "json", stream)
    findings.show(FINDINGS, "json", stream)
    in_status, in_receipt, in_findings = (json.loads(line) for line in stream.getvalue().splitlines())
    assert in_status == {**report(rollout=TREE), "stages": [stage("a")]}
    assert {key: in_receipt[key] for key in ("found", "removed", "left", "failed")} == {
        "found": 3,
        "removed": 1,
        "left": 1,
        "failed": 1,
    }
    assert in_receipt["stages"][1]["removals"][0] == {
        "subject": "program cache",
        "outcome": "left",
        "reason": "all profiles share it",
    }
    assert in_findings["ok"] is False
    assert [each["subject"] for each in in_findings["findings"]] == ["root", "swap", "memory"]


def test_minor_findings_do_not_stand_in_the_way() -> None:
    assert findings.as_json(FINDINGS[:2])["ok"] is True


def test_on_a_terminal_the_report_is_coloured_and_wrapped_under_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "36")
    monkeypatch.delenv("NO_COLOR", raising=False)
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        findings.show([Finding("disk", ok=True, seen="100 GiB free on the root volume")], "text", stream)
        text = os.read(ours, 4096).decode()
    os.close(ours)
    assert "\x1b[32m✔ \x1b[0m" in text
    assert "\r\n        volume" in text
