"""Every playbook's demonstration on one cluster, side by side, as `invoke demo --all` performs them."""

from __future__ import annotations

import pytest
import yaml
from tool import REPOSITORY, Ended, Tool

PLAYBOOKS = {
    "abort-and-rollback",
    "analysis",
    "basic-canary",
    "blue-green",
    "canary-scale",
    "dynamic-stable-scale",
    "gateway-api",
    "header-routing",
    "istio-canary",
    "mirror",
    "rolling-update",
    "subsets",
}
WITHOUT_PROXY = {"basic-canary", "rolling-update"}
"""Their Services stand before the pods themselves: there is no Envoy to ask."""


@pytest.fixture(scope="module")
def performed(first_up: Ended, tool: Tool) -> Ended:  # noqa: ARG001 - a cluster that is up
    return tool.run("demo", "--all", timeout=1500)


def test_all_of_them_pass(performed: Ended) -> None:
    assert performed.code == 0, performed.explain()
    states = {event["playbook"]: event["state"] for event in performed.of("demo-finished")}
    assert states == dict.fromkeys(PLAYBOOKS, "passed")


def test_none_is_left_out(performed: Ended) -> None:
    """Every playbook for the default one's cluster that has a demonstration."""
    default = yaml.safe_load((REPOSITORY / "playbooks" / "istio-canary.yaml").read_text())
    found = (yaml.safe_load(file.read_text()) for file in (REPOSITORY / "playbooks").glob("*.yaml"))
    wanted = {one["name"] for one in found if one.get("demo") and one["cluster"] == default["cluster"]}
    assert {event["playbook"] for event in performed.of("demo-finished")} == wanted == PLAYBOOKS


@pytest.mark.parametrize("playbook", sorted(PLAYBOOKS))
def test_each_reconciles_all_layers_that_it_has(performed: Ended, playbook: str) -> None:
    facts = [fact for fact in performed.of("fact") if fact["playbook"] == playbook and fact["step"] == "evidence"]
    layers = {fact["text"].partition(":")[0] for fact in facts}
    assert layers == {"status", "routes", "traffic"} | (set() if playbook in WITHOUT_PROXY else {"proxy"})


@pytest.mark.parametrize("playbook", sorted(PLAYBOOKS - {"abort-and-rollback", "analysis"}))
def test_no_request_fails_in_any_that_has_no_bad_image(performed: Ended, playbook: str) -> None:
    facts = [fact for fact in performed.of("fact") if fact["playbook"] == playbook]
    counted = [fact["seen"] for fact in facts if "not one request failed" in fact["text"]]
    assert counted
    assert all(seen.startswith("0 of ") and not seen.startswith("0 of 0 ") for seen in counted), counted


def test_they_ran_side_by_side(performed: Ended) -> None:
    """The second begins before the first ends."""
    order = [event["event"] for event in performed.events if event["event"] in ("demo-started", "demo-finished")]
    assert order[:2] == ["demo-started", "demo-started"]


def test_afterwards_up_has_nothing_to_change(performed: Ended, tool: Tool) -> None:  # noqa: ARG001
    again = tool.run("up", "--all", timeout=600)
    assert again.code == 0, again.explain()
    assert again.summary["changed"] == [], "images, weights and replicas belong to the rollouts now"


def test_each_can_be_performed_again_at_once(performed: Ended, tool: Tool) -> None:  # noqa: ARG001
    again = tool.run("demo", "--playbook", "subsets", timeout=300)
    assert again.code == 0, again.explain()
