"""Everything gone, and a receipt that says so."""

from __future__ import annotations

import yaml
from support import residue
from tool import Ended, Tool


def test_teardown_leaves_nothing(first_up: Ended, tool: Tool, before: dict[str, set[str]]) -> None:  # noqa: ARG001
    done = tool.run("teardown")
    assert done.code == 0, done.explain()
    removed = {event["subject"] for event in done.of("removed") if event["outcome"] == "removed"}
    assert any("network namespace canarylab-e2e" in subject for subject in removed)
    assert any("machine with all its processes" in subject for subject in removed)
    assert residue.left(before, residue.snapshot()) == {}


def test_the_users_kubeconfig_is_as_it_was(tool: Tool) -> None:
    config = yaml.safe_load(tool.kubeconfig.read_text())
    assert config["current-context"] == "someone-elses"
    assert [cluster["name"] for cluster in config["clusters"]] == ["someone-elses"]


def test_teardown_of_nothing_says_nothing_there(tool: Tool) -> None:
    done = tool.text("teardown")
    assert done.returncode == 0
    assert done.stdout.strip().endswith("nothing there")


def test_status_of_nothing_says_absent(tool: Tool) -> None:
    done = tool.text("status", "--output", "json")
    assert done.returncode == 1
    assert '"absent"' in done.stdout


def test_plan_of_nothing_shows_everything_and_changes_nothing(tool: Tool, before: dict[str, set[str]]) -> None:
    plan = tool.run("plan")
    assert plan.code == 0, plan.explain()
    assert "rollouts-demo" in plan.summary["changed"]
    assert residue.left(before, residue.snapshot()) == {}
