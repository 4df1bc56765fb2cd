"""The command lines of the Argo Rollouts plugin."""

from pathlib import Path

from canarylab.tools.rollouts import Plugin

WHERE = ["--namespace", "default", "--kubeconfig", "/state/kubeconfig", "--context", "argo-istio-canary"]
PLUGIN = Plugin(Path("/state/kubeconfig"), "argo-istio-canary", Path("/programs"))


def test_every_command_names_namespace_kubeconfig_and_context():
    commands = [
        PLUGIN.set_image("default", "rollouts-demo", "app", "localhost/x:yellow"),
        PLUGIN.promote("default", "rollouts-demo"),
        PLUGIN.promote("default", "rollouts-demo", full=True),
        PLUGIN.abort("default", "rollouts-demo"),
        PLUGIN.retry("default", "rollouts-demo"),
        PLUGIN.undo("default", "rollouts-demo", 3),
        PLUGIN.get_rollout("default", "rollouts-demo"),
    ]
    assert [" ".join(command[1:-6]) for command in commands] == [
        "set image rollouts-demo app=localhost/x:yellow",
        "promote rollouts-demo",
        "promote rollouts-demo --full",
        "abort rollouts-demo",
        "retry rollout rollouts-demo",
        "undo rollouts-demo --to-revision=3",
        "get rollout rollouts-demo --no-color",
    ]
    assert all(command[-6:] == WHERE for command in commands)


def test_the_providers_own_program_is_used_and_else_the_one_on_the_path():
    assert PLUGIN.promote("default", "x")[0] == "/programs/kubectl-argo-rollouts"
    assert Plugin(Path("/k"), "c").promote("default", "x")[0] == "kubectl-argo-rollouts"
