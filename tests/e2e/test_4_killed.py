"""kill -9 of `invoke up` in each stage, Ctrl-C, and then convergence, on a profile that starts from nothing."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_1_up import STAGES
from tool import Ended, Tool, parse, read_until


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory, first_up: Ended) -> Iterator[Tool]:  # noqa: ARG001 - programs built
    made = Tool("e2e-victim", tmp_path_factory.mktemp("victim") / "config")
    made.text("teardown")
    yield made
    made.text("teardown")


def _in_order(first_up: Ended) -> list[str]:
    return [event["stage"] for event in first_up.of("stage-started")]


def test_killed_in_every_stage_it_converges(victim: Tool, first_up: Ended) -> None:
    """Each run is killed the moment a stage is at work, the next goes on from there and is killed one stage later."""
    order = _in_order(first_up)
    assert set(order) == STAGES
    for stage in order:
        with victim.started("up") as running:
            read_until(running, stage)
            running.send_signal(signal.SIGKILL)
            running.wait(30)
    converged = victim.run("up")
    assert converged.code == 0, converged.explain()
    assert victim.run("up").summary["changed"] == []
    assert victim.text("status").returncode == 0


def test_killed_in_a_teardown_the_next_one_finishes(victim: Tool) -> None:
    with victim.started("teardown") as running:
        read_until(running, "machine")
        running.send_signal(signal.SIGKILL)
        running.wait(30)
    ended = victim.run("teardown")
    assert ended.code == 0, ended.explain()
    assert victim.text("teardown").stdout.strip().endswith("nothing there")


def test_ctrl_c_ends_with_130_and_the_next_up_goes_on(victim: Tool) -> None:
    with victim.started("up", "--only", "istio-base") as running:
        read_until(running, "cluster")
        running.send_signal(signal.SIGINT)
        output, errors = running.communicate(timeout=60)
    events = parse(output.splitlines())
    assert running.returncode == 130, errors
    assert events[-1]["event"] == "run-finished"
    assert not events[-1]["ok"]
    assert "Traceback" not in errors
    ended = victim.run("up", "--only", "istio-base")
    assert ended.code == 0, ended.explain()


def test_the_original_sni_form_is_explained_before_anything_is_applied(victim: Tool, tmp_path: Path) -> None:
    """Row 10 of the walkthrough: upstream's hosts, which Istio's webhook refuses."""
    base = Path(__file__).resolve().parents[2]
    copy = tmp_path / "lab"
    for name in ("playbooks", "manifests", "charts-values", "images"):
        (copy / name).parent.mkdir(exist_ok=True)
        shutil.copytree(base / name, copy / name)
    file = copy / "manifests/rollouts-demo/virtualservices.yaml"
    file.write_text(file.read_text().replace("- reviews.rollouts-demo-vsvc1.bookinfo.com", "- reviews.bookinfo.com"))
    refused = victim.run("up", "--playbook", str(copy / "playbooks/istio-canary.yaml"))
    assert refused.code == 1
    message = refused.of("failure")[0]["message"]
    assert "virtualservices.yaml:" in message
    assert "argo-rollouts#2033" in message
    assert refused.of("stage-started") == [], "nothing was begun"
