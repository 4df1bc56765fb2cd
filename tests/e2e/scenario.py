"""What every provider has to live through: up, up again, the canary, drift, kill -9, teardown.

A provider has a subclass of Life, tests of its own, and a subclass of Ending, in this order, since they build on
each other; and a fixture `tool` that yields the tool for that provider, with nothing of it there yet.
"""

from __future__ import annotations

import json
import signal
import stat
from pathlib import Path
from typing import ClassVar

import yaml
from tool import UP_SECONDS, Ended, Tool, read_until

APPLICATION = frozenset(
    {
        "istio-base",
        "istiod",
        "istio-ingressgateway",
        "tunnel",
        "argo-rollouts",
        "injection",
        "image-blue",
        "image-yellow",
        "rollouts-demo",
    }
)
"""The stages of the default playbook."""


def healthy(tool: Tool) -> Ended:
    """`up` once more, which has to work."""
    ended = tool.run("up", timeout=UP_SECONDS)
    assert ended.code == 0, ended.explain()
    return ended


def stable_colour(tool: Tool) -> str:
    jsonpath = "jsonpath={.spec.template.spec.containers[0].image}"
    return tool.kubectl("get", "ro", "rollouts-demo", "-o", jsonpath).rsplit(":", 1)[-1]


class Life:
    """Subclasses name the stages of their provider."""

    infrastructure: ClassVar[frozenset[str]]

    @property
    def stages(self) -> frozenset[str]:
        return self.infrastructure | APPLICATION

    def test_killed_in_every_stage_it_converges(self, tool: Tool) -> None:
        """Each run is killed the moment a stage is at work; the next goes on and is killed one stage later."""
        order = [event["stage"] for event in tool.run("plan").of("stage-started")]
        assert set(order) == self.stages
        for stage in order:
            with tool.started("up") as running:
                read_until(running, stage)
                running.send_signal(signal.SIGKILL)
                running.wait(30)
        healthy(tool)

    def test_the_next_up_changes_nothing(self, tool: Tool) -> None:
        again = healthy(tool)
        assert again.summary["changed"] == []
        assert set(again.summary["unchanged"]) == self.stages

    def test_plan_finds_nothing_to_do(self, tool: Tool) -> None:
        plan = tool.run("plan")
        assert plan.code == 0
        assert plan.summary["changed"] == []

    def test_status_tells_every_stage_the_gateway_and_the_rollout(self, tool: Tool) -> None:
        done = tool.text("status", "--output", "json")
        status = json.loads(done.stdout)
        assert done.returncode == 0, status
        assert {stage["name"] for stage in status["stages"]} == self.stages
        assert status["gateway"]
        assert "Status:          ✔ Healthy" in status["rollout"]

    def test_the_users_current_context_is_what_it_was(self, tool: Tool) -> None:
        assert yaml.safe_load(tool.kubeconfig.read_text())["current-context"] == "someone-elses"

    def test_secrets_are_readable_by_their_owner_only(self, tool: Tool) -> None:
        own = Path(tool.json("status")["kubeconfig"])
        assert stat.S_IMODE(own.stat().st_mode) == 0o600
        assert stat.S_IMODE(own.parent.stat().st_mode) == 0o700

    def test_the_demo_goes_from_one_colour_to_the_next_and_proves_it(self, tool: Tool) -> None:
        before = stable_colour(tool)
        demo = tool.run("demo", timeout=600)
        assert demo.code == 0, demo.explain()
        assert {before, stable_colour(tool)} == {"blue", "yellow"}
        facts = [(fact["text"], fact["seen"]) for fact in demo.of("fact")]
        assert sum("canary's share" in text for text, _ in facts) >= 4, "every host is measured, http and tls"
        assert any("not one request failed on the way" in text for text, _ in facts)
        layers = [seen for text, seen in facts if text.startswith(("routes: ", "proxy: "))]
        split = [
            seen for seen in layers if "rollouts-demo-stable 95, rollouts-demo-canary 5 (" in seen and "5 %)" in seen
        ]
        assert len(split) == 8, "four hosts, by the objects and by the proxy"
        assert healthy(tool).summary["changed"] == [], "the image and the weights belong to the rollout now"

    def test_a_drifted_object_is_put_back(self, tool: Tool) -> None:
        tool.kubectl("patch", "virtualservice", "rollouts-demo-vsvc2", "--type=merge", "-p", '{"spec":{"tls":[]}}')
        assert healthy(tool).summary["changed"] == ["rollouts-demo"]

    def test_an_object_of_a_chart_is_put_back(self, tool: Tool) -> None:
        patch = '{"data":{"mesh":"{}"}}'
        tool.kubectl("-n", "istio-system", "patch", "configmap", "istio", "--type=merge", "-p", patch)
        assert healthy(tool).summary["changed"] == ["istiod"]


class Ending:
    """Nothing is left, whenever it was interrupted."""

    def test_killed_in_a_teardown_the_next_one_finishes(self, tool: Tool) -> None:
        with tool.started("teardown") as running:
            read_until(running, "cluster")
            running.send_signal(signal.SIGKILL)
            running.wait(30)
        ended = tool.run("teardown")
        assert ended.code == 0, ended.explain()

    def test_teardown_of_nothing_says_nothing_there(self, tool: Tool) -> None:
        done = tool.text("teardown")
        assert done.returncode == 0
        assert done.stdout.strip().endswith("nothing there")

    def test_the_users_kubeconfig_is_as_it_was(self, tool: Tool) -> None:
        config = yaml.safe_load(tool.kubeconfig.read_text())
        assert tool.profile not in {entry["name"] for entry in config["contexts"]}
        assert config["current-context"] == "someone-elses"
