"""The canary, performed and proved on the real cluster."""

from __future__ import annotations

from tool import Ended, Tool


def _stable(tool: Tool) -> str:
    jsonpath = "jsonpath={.spec.template.spec.containers[0].image}"
    return tool.kubectl("get", "ro", "rollouts-demo", "-o", jsonpath).rsplit(":", 1)[-1]


def test_the_demo_goes_from_blue_to_yellow_and_proves_it(first_up: Ended, tool: Tool) -> None:  # noqa: ARG001
    assert _stable(tool) == "blue"
    demo = tool.run("demo", timeout=600)
    assert demo.code == 0, demo.explain()
    assert _stable(tool) == "yellow"
    facts = demo.of("fact")
    texts = [fact["text"] for fact in facts]
    assert sum("canary's share" in text for text in texts) >= 4, "every host is measured, http and tls"
    assert any("not one request failed on the way" in text for text in texts)
    layers = [fact["seen"] for fact in facts if fact["text"].startswith(("routes: ", "proxy: "))]
    split = [seen for seen in layers if "rollouts-demo-stable 95, rollouts-demo-canary 5 (" in seen and "5 %)" in seen]
    assert len(split) == 8, "four hosts, by the objects and by the proxy"


def test_after_the_demo_up_has_nothing_to_change(tool: Tool) -> None:
    again = tool.run("up")
    assert again.code == 0, again.explain()
    assert again.summary["changed"] == [], "the image and the weights belong to the rollout now"


def test_a_demo_in_the_middle_of_something_says_so_and_reset_brings_it_back(tool: Tool) -> None:
    plugin = tool.program("kubectl-argo-rollouts")
    import subprocess

    image = "rollouts-demo=localhost/argoproj/rollouts-demo:blue"
    argv = [plugin, "set", "image", "rollouts-demo", image, "--context", tool.profile]
    subprocess.run(argv, env=tool.env, check=True, capture_output=True, timeout=60)
    tool.kubectl("wait", "ro/rollouts-demo", "--for=jsonpath={.status.phase}=Paused", "--timeout=60s")

    refused = tool.run("demo")
    assert refused.code == 1
    assert "--reset" in refused.of("failure")[0]["message"]

    reset = tool.run("demo", "--reset")
    assert reset.code == 0, reset.explain()
    assert _stable(tool) == "yellow"
    assert tool.kubectl("get", "ro", "rollouts-demo", "-o", "jsonpath={.status.phase}") == "Healthy"
