from __future__ import annotations

import json
import re

import pytest
from pydantic import ValidationError
from support.addon_world import LIST, AddonWorld
from support.runs import Heard, context_of
from support.there import there

from canarylab.engine import bring_up
from canarylab.errors import (
    EXIT_MACHINE,
    EXIT_USAGE,
    CommandError,
    MachineError,
    NotYetObservableError,
    StageError,
    UsageError,
)
from canarylab.events import Notice
from canarylab.kube.client import ApiError
from canarylab.kube.objects import OWNER_LABEL
from canarylab.kube.watch import Watch
from canarylab.playbook.loader import PLAYBOOKS, load
from canarylab.removal import Removal
from canarylab.stages.kinds.minikube_addon import MinikubeAddonOptions, MinikubeAddonStage
from canarylab.tools.minikube import parse_addons

DEPLOYMENT = "istio-operator/istio-operator"
ISTIO = ("istio-provisioner", "istio")


def stage(addon="ingress", deployments=(DEPLOYMENT,), name="operator"):
    return MinikubeAddonStage(name, MinikubeAddonOptions(addon=addon, deployments=deployments))


@pytest.fixture
def world():
    return AddonWorld("ingress", DEPLOYMENT)


def context(world, *stages, **given):
    return context_of(*stages, provider=world.provider, runner=world.runner, **given)


def up(world, wanted):
    return bring_up.up(context(world, wanted), [wanted]).outcomes[wanted.name]


def observed(world, wanted):
    return wanted.observe(context(world, wanted))


def marks(world):
    return [key[3] for key in world.cluster.objects if key[1] == "ConfigMap"]


# -- enabling ---------------------------------------------------------------------------------------------------------


def test_an_addon_is_enabled_once(world):
    wanted = stage()
    assert up(world, wanted).state == "changed"
    assert up(world, wanted).state == "unchanged"
    assert [line for line in world.runner.commands if line != LIST] == [world.enable]


def test_minikube_is_asked_in_plain_words_by_profile(world):
    up(world, stage())
    assert all(line.startswith("minikube -p unit-test addons ") for line in world.runner.commands)
    assert {given["env"]["MINIKUBE_IN_STYLE"] for given in world.runner.given} == {"false"}


def test_that_it_is_ours_is_written_down_before_it_is_enabled(world):
    seen = []
    world.runner.known[world.enable] = lambda: seen.extend(marks(world)) or world.switch_on()
    up(world, stage())
    assert seen == ["canarylab-addon-ingress"]
    [mark] = world.cluster.list("v1", "ConfigMap", "kube-system")
    assert mark["metadata"]["labels"] == {OWNER_LABEL: "unit-test"}


def test_a_run_that_was_killed_while_enabling_is_taken_up_again(world):
    wanted = stage()
    world.runner.known[world.enable] = 10
    up(world, wanted)
    world.runner.known[world.enable] = world.switch_on
    assert up(world, wanted).state == "changed"
    assert wanted.remove(context(world, wanted)) == [Removal("addon ingress", "removed")]


def test_it_is_healthy_once_what_comes_of_it_is(world):
    wanted = stage()
    assert wanted.health(context(world, wanted)) == "Deployment istio-operator isn't there"
    world.switch_on()
    assert wanted.health(context(world, wanted)) is None
    world.cluster.put_pod("istio-operator", {"app": "istio-operator"}, ready=False)
    assert wanted.health(context(world, wanted)) == "Deployment istio-operator: 0 of 1 pods ready"


def test_waiting_watches_the_namespaces_of_what_comes_of_it():
    watches = stage(deployments=("istio-system/istiod", "istio-system/istio-ingressgateway")).watches()
    assert watches == [Watch("apps/v1", "Deployment", "istio-system"), Watch("v1", "Pod", "istio-system")]
    assert stage(deployments=()).watches() == []


def test_a_deployment_that_is_gone_is_put_back(world):
    wanted = stage()
    up(world, wanted)
    world.lose_deployment()
    [change] = wanted.changes(observed(world, wanted))
    assert (change.action, change.subject) == ("repair", f"Deployment {DEPLOYMENT}")
    assert up(world, wanted).state == "changed"
    assert marks(world) == ["canarylab-addon-ingress"]


def test_what_minikube_says_of_a_failure_is_reported(world):
    world.runner.known[world.enable] = 10
    outcome = up(world, stage())
    assert (outcome.state, type(outcome.error)) == ("failed", CommandError)
    assert world.enable in outcome.reason


# -- what others enabled ----------------------------------------------------------------------------------------------


def test_an_addon_that_somebody_else_enabled_is_used_and_left(world):
    world.switch_on()
    wanted = stage()
    assert up(world, wanted).state == "unchanged"
    assert wanted.facts(context(world, wanted)) == {"addon": "ingress", "enabled by": "somebody else"}
    [removal] = wanted.remove(context(world, wanted))
    assert (removal.outcome, removal.reason) == ("left", "this tool didn't enable it")
    assert world.enabled
    assert world.cluster.writes == []


def test_putting_back_a_deployment_of_others_doesnt_make_it_ours(world):
    world.switch_on()
    world.lose_deployment()
    wanted = stage()
    assert up(world, wanted).state == "changed"
    assert marks(world) == []


def test_an_addon_that_was_disabled_meanwhile_leaves_no_mark(world):
    wanted = stage()
    up(world, wanted)
    world.switch_off()
    assert wanted.remove(context(world, wanted)) == []
    assert marks(world) == []


# -- where it can't be ------------------------------------------------------------------------------------------------


def test_an_addon_that_this_minikube_does_not_know_is_answered_with_those_that_it_does():
    world = AddonWorld("ingress", DEPLOYMENT, rest=("istio", "istio-provisioner"))
    with pytest.raises(UsageError, match="addon istio-provisoner") as caught:
        observed(world, stage("istio-provisoner"))
    assert str(caught.value.remedy).startswith("did you mean istio-provisioner?")


@pytest.mark.parametrize("addon", ISTIO)
def test_istios_are_refused_on_arm64_with_the_reason_and_the_way_that_works(world, addon):
    world.provider.node_architecture = "arm64"
    wanted, heard = stage(addon), Heard()
    with pytest.raises(MachineError, match=f"addon {addon} .*arm64") as caught:
        bring_up.preflight(context(world, wanted, emit=heard.append), [wanted])
    assert caught.value.exit_code == EXIT_MACHINE
    assert "exec format error" in str(caught.value.why)
    assert "discontinued" in str(caught.value.why)
    assert "invoke up --playbook istio-canary" in str(caught.value.remedy)
    assert (heard, world.runner.commands, world.cluster.writes) == ([], [], [])


@pytest.mark.parametrize("trouble", [ApiError("no answer", None, where="GET /"), NotYetObservableError("none yet")])
def test_where_the_cluster_cannot_say_its_architecture_it_is_the_hosts(world, monkeypatch, trouble):
    def unknown(_ctx):
        raise trouble

    world.provider.images.architectures = unknown
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    wanted = stage("istio")
    with pytest.raises(MachineError):
        wanted.preflight(context(world, wanted))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    wanted.preflight(context(world, wanted))


def test_elsewhere_istios_are_warned_about_once(world):
    heard, stages = Heard(), [stage(addon, name=addon) for addon in ISTIO]
    bring_up.preflight(context(world, *stages, emit=heard.append), stages)
    [notice] = heard.of(Notice)
    assert "discontinued" in notice.message
    assert "invoke up --playbook istio-canary" in notice.message
    assert world.runner.commands == []


def test_other_addons_are_neither_refused_nor_warned_about(world):
    world.provider.node_architecture = "arm64"
    heard, wanted = Heard(), stage("ingress")
    bring_up.preflight(context(world, wanted, emit=heard.append), [wanted])
    assert heard == []


@pytest.mark.parametrize(("addon", "way"), [("ingress", False), ("istio", True)])
def test_on_another_provider_it_is_refused_in_words(world, addon, way):
    world.provider.name = "embedded"
    wanted = stage(addon)
    for ask in (wanted.preflight, wanted.observe):
        with pytest.raises(UsageError, match="provider embedded") as caught:
            ask(context(world, wanted))
        assert caught.value.exit_code == EXIT_USAGE
        assert "--provider minikube" in str(caught.value.remedy)
        assert ("--playbook istio-canary" in str(caught.value.remedy)) is way
    assert wanted.remove(context(world, wanted)) == []


@pytest.mark.parametrize("deployments", [["istiod"], ["a/b/c"], ["/x"], "istio-system/istiod"])
def test_a_deployment_is_written_with_its_namespace(deployments):
    with pytest.raises(ValidationError):
        MinikubeAddonOptions.model_validate({"addon": "istio", "deployments": deployments})


# -- the list, as a real minikube printed it --------------------------------------------------------------------------


def test_the_list_of_a_real_minikube_is_understood():
    recorded = {"istio": {"Profile": "minikube", "Status": "enabled"}, "yakd": {"Profile": "m", "Status": "disabled"}}
    assert parse_addons(json.dumps(recorded)) == {"istio": True, "yakd": False}


@pytest.mark.parametrize("text", ["", "null", "[]", "{}x", '{"a": 1}', "* Profile not found"])
def test_anything_else_than_a_list_is_an_error_and_no_bug(text):
    with pytest.raises(StageError):
        parse_addons(text)


# -- the playbook -----------------------------------------------------------------------------------------------------


def test_the_playbook_enables_both_in_order_and_waits_for_what_comes_of_them():
    stages = {stage.name: stage for stage in load(PLAYBOOKS / "istio-addon.yaml").stages}
    provisioner, istio = (stages[name] for name in ISTIO)
    assert (provisioner.options.addon, istio.options.addon) == ISTIO
    assert istio.needs == ("istio-provisioner",)
    assert istio.options.deployments == ("istio-system/istiod", "istio-system/istio-ingressgateway")


def test_the_playbook_wants_a_kubernetes_that_its_istio_was_made_for():
    minor = re.fullmatch(r"v1\.(\d+)\.\d+", load(PLAYBOOKS / "istio-addon.yaml").cluster.kubernetes)
    assert 27 <= int(there(minor)[1]) <= 30
