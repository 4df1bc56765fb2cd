"""What is shown in narrow windows: every table is readable from 40 columns up."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from functools import partial

import pytest
import report_samples
from rich.cells import cell_len
from rich.console import Console, ConsoleDimensions, Group
from test_report_rollout_frame import STATES, shown

from canarylab.commands import tunnel
from canarylab.contract.provider import Finding, TunnelStatus
from canarylab.events import Fact
from canarylab.removal import Removal
from canarylab.report import findings, live_table, receipt, status, wording
from canarylab.report.lines import Line, is_command
from canarylab.report.marks import UNICODE
from canarylab.report.rich_lines import print_lines
from canarylab.report.run_view import RunView
from canarylab.report.status import StageStatus, StatusReport

WIDTHS = (40, 60, 80, 120)
WHY = "Deployment argo-rollouts/argo-rollouts: 0 of 1 ready; Pod argo-rollouts-7dd9f9c8b5-x2x4z: ImagePullBackOff"
TREE = """\
Name:            rollouts-demo
NAME                                       KIND        STATUS     AGE  INFO
⟳ rollouts-demo                            Rollout     ✔ Healthy  11m
└──# revision:2
   └──⧉ rollouts-demo-687d76d795           ReplicaSet  ✔ Healthy  11m  stable"""


def stage(name: str, kind: str, **others: object) -> StageStatus:
    known = {"state": "present", "healthy": True, "drifted": False, "reason": "", "facts": {}}
    return {"name": name, "kind": kind, **known, **others}  # type: ignore[typeddict-item]


STATUS = StatusReport(
    profile="argo-istio-canary",
    provider="minikube",
    kubeconfig="/home/jane/kubeconfig",
    context="argo-istio-canary",
    gateway="10.101.23.4",
    stages=(
        stage("istio-ingressgateway", "helm-release", facts={"chart": "gateway-1.30.1", "revision": 3}),
        stage("argo-rollouts", "argo-rollouts", healthy=False, reason=WHY),
        stage("traffic-router-plugin", "traffic-router-plugin", state="absent"),
    ),
    rollout=TREE,
    rollout_problem=None,
    causes=(),
)
FINDINGS = (
    Finding("socket_vmnet daemon", False, "Failed to connect: Connection refused", "sudo brew services restart x"),
    Finding("Local Network", False, "can't be known before a machine runs", "switch on the app this terminal is in"),
    Finding("memory", True, "8 GiB of 16 GiB"),
)
RECEIPT = (
    ("argo-rollouts", [Removal("Rollout default/rollouts-demo", "left", "another playbook, mirror, uses it")]),
    ("machine", [Removal("mount /var/lib/canarylab/profiles/argo-istio-canary/rootfs", "failed", "device is busy")]),
)

TUNNEL = TunnelStatus(
    running=True,
    pid=None,
    route="the cluster's load balancer",
    addresses={"istio-ingress/istio-ingressgateway": "pending"},
    problems=(
        "Service istio-ingress/istio-ingressgateway has no address yet: its pod of k3s' servicelb doesn't start",
    ),
)


def view(events) -> RunView:
    seen = RunView()
    for second, event in enumerate(events):
        seen.apply(event, float(second))
    return seen


def console(width: int) -> Console:
    return Console(file=io.StringIO(), width=width, height=30, markup=False, highlight=False, emoji=False)


def printed(lines: list[Line], width: int) -> list[str]:
    on = console(width)
    print_lines(on, lines)
    return [line.rstrip() for line in on.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def live(events, width: int) -> list[str]:
    on = console(width)
    on.print(Group(*live_table.table(view(events), 10.0, UNICODE, width)))
    return [line.rstrip() for line in on.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def facts(width: int) -> list[str]:
    said = [wording.fact(event, UNICODE).after("  ") for event in report_samples.demo() if isinstance(event, Fact)]
    return printed(said, width)


TABLES: dict[str, Callable[[int], list[str]]] = {
    "status": lambda width: printed(status.lines(STATUS, UNICODE), width),
    "doctor": lambda width: printed(findings.lines(FINDINGS, UNICODE), width),
    "receipt": lambda width: printed(receipt.lines(RECEIPT, UNICODE), width),
    "plan": lambda width: printed(wording.plan(view(report_samples.plan()), UNICODE), width),
    "failures": lambda width: printed(wording.failures(view(report_samples.failed_up()), UNICODE), width),
    "live view": lambda width: live(report_samples.failed_up(), width),
    "demonstrations": lambda width: live(report_samples.demos(), width),
    "claims": facts,
    "tunnel": lambda width: printed(tunnel.lines("argo-istio-canary", TUNNEL), width),
    **{f"watch, {name}": partial(shown, seen) for name, seen in STATES.items()},
}


def is_readable(line: str, before: str) -> bool:
    """No letters one below the other: a line that holds next to nothing goes on from none that is as empty."""
    return len(line.strip()) > 3 or len(before.strip()) > 3 or not line.strip() or not before.strip()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("table", TABLES)
def test_a_table_fits_the_window_but_for_commands_and_reads_in_words(table, width):
    lines = TABLES[table](width)
    assert lines
    too_wide = [line for line in lines if cell_len(line) > width]
    assert all(is_command(line.strip().removeprefix("next: ")) for line in too_wide), too_wide
    assert all(is_readable(line, before) for before, line in itertools.pairwise(lines)), lines


def test_at_40_columns_what_a_stage_is_stands_below_its_name():
    assert printed(status.lines(STATUS, UNICODE), 40)[5:] == [
        "✔ istio-ingressgateway helm-release",
        "    healthy  chart gateway-1.30.1,",
        "    revision 3",
        "✖ argo-rollouts argo-rollouts",
        "    not healthy: Deployment",
        "    argo-rollouts/argo-rollouts: 0 of 1",
        "    ready; Pod",
        "    argo-rollouts-7dd9f9c8b5-x2x4z:",
        "    ImagePullBackOff",
        "○ traffic-router-plugin",
        "  traffic-router-plugin",
        "    absent",
        "",
        "Name:            rollouts-demo",
        "NAME",
        "    KIND        STATUS     AGE  INFO",
        "⟳ rollouts-demo",
        "    Rollout     ✔ Healthy  11m",
        "└──# revision:2",
        "   └──⧉ rollouts-demo-687d76d795",
        "       ReplicaSet  ✔ Healthy  11m",
        "       stable",
    ]


def test_at_120_columns_the_columns_stand_side_by_side():
    lines = printed(status.lines(STATUS, UNICODE), 120)
    assert lines[5] == ("✔ istio-ingressgateway   helm-release           healthy  chart gateway-1.30.1, revision 3")
    assert lines[-5:] == TREE.splitlines()


def test_a_command_stays_in_one_piece_and_prose_is_wrapped():
    lines = printed(findings.lines(FINDINGS, UNICODE), 40)
    assert "    next: sudo brew services restart x" in lines
    assert "    next: switch on the app this" in lines
    assert "          terminal is in" in lines


def test_at_40_columns_the_live_view_says_why_something_was_skipped():
    assert live(report_samples.failed_up(), 40)[-3:] == [
        "– last",  # noqa: RUF001 - the mark
        "  skipped: needs rollouts-demo, which",
        "  failed",
    ]


def test_at_40_columns_watch_says_that_a_route_disagrees():
    assert any("says" in line for line in shown(STATES["astray"], 40))


def test_a_live_view_with_many_stages_keeps_one_row_for_each():
    stages = [report_samples.stage(f"stage-{number}", "stage-0") for number in range(1, 12)]
    seen = view([report_samples.started("up", report_samples.stage("stage-0"), *stages)])
    rows = live_table.frame(seen, 10.0, UNICODE, ConsoleDimensions(40, 16))
    assert len(rows) == 13
    assert rows[1].plain.startswith("○ stage-1")
