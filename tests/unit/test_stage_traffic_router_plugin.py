"""The kind traffic-router-plugin: the controller is told of the plugin, and started anew for it, and only for it."""

from __future__ import annotations

import json

import pytest
import yaml
from support.argo_world import CONFIG, DEPLOYMENT, LEASE, NAMESPACE, ArgoWorld
from support.borrowed import BorrowedProvider
from support.fake_cluster import FakeCluster
from support.fake_provider import FakeProvider
from support.runs import Heard, context_of

from canarylab.contract.provider import RouterPlugin
from canarylab.engine import bring_up
from canarylab.errors import StageError
from canarylab.events import Notice, StageChange
from canarylab.ownership.foreign import ConflictError
from canarylab.removal import Removal
from canarylab.stages.kinds.argo_rollouts import ArgoRolloutsOptions, ArgoRolloutsStage
from canarylab.stages.kinds.traffic_router_plugin import TrafficRouterPluginOptions, TrafficRouterPluginStage

NAME = "argoproj-labs/gatewayAPI"
OURS = {"name": NAME, "location": "https://plugins.example/plugin", "sha256": "0" * 64}
THEIRS = {"name": "somebody/router", "location": "https://example.org/router"}
STAGE = TrafficRouterPluginStage("plugin", TrafficRouterPluginOptions(plugin=NAME, version="0.17.0"))
ROLE, BINDING = (
    Removal(f"{kind} argo-rollouts-gateway-api", "removed") for kind in ("ClusterRole", "ClusterRoleBinding")
)
ENTRY = Removal(f"plugin {NAME} of Argo Rollouts", "removed")


@pytest.fixture
def world():
    return ArgoWorld()


@pytest.fixture
def provider(world):
    return FakeProvider(world)


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def ctx(provider, heard):
    return context_of(STAGE, provider=provider, emit=heard.append)


def up(ctx, stage=STAGE):
    return bring_up.up(ctx, [stage]).outcomes[stage.name]


def plugins(world):
    return yaml.safe_load(world.plugins or "[]")


# -- configuring ------------------------------------------------------------------------------------------------------


def test_the_controller_is_told_of_the_plugin_started_anew_and_given_the_rights(world, ctx, heard):
    assert up(ctx).state == "changed"
    assert plugins(world) == [OURS]
    assert world.starts == 2
    role = world.get("rbac.authorization.k8s.io/v1", "ClusterRole", "argo-rollouts-gateway-api")
    assert any("httproutes" in rule["resources"] and "update" in rule["verbs"] for rule in role["rules"])
    binding = world.get("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "argo-rollouts-gateway-api")
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "argo-rollouts", "namespace": NAMESPACE}]
    reasons = {event.subject: event.reason for event in heard if isinstance(event, StageChange)}
    assert reasons[f"Deployment {NAMESPACE}/argo-rollouts"] == "the controller reads its plugins when it starts"
    assert reasons[f"plugin {NAME} in ConfigMap {NAMESPACE}/argo-rollouts-config"] == "it isn't there"


def test_what_is_as_it_should_be_is_not_written_and_the_controller_not_started(world, ctx):
    up(ctx)
    world.writes.clear()
    assert up(ctx).state == "unchanged"
    assert world.writes == []
    assert world.starts == 2


def test_a_plugin_of_another_version_takes_its_place(world, ctx, provider):
    up(ctx)
    provider.plugin = RouterPlugin("file:///newer")
    assert up(ctx).state == "changed"
    assert plugins(world) == [{"name": NAME, "location": "file:///newer"}]
    assert world.starts == 3


def test_others_plugins_stay(world, ctx):
    world.write(yaml.safe_dump([THEIRS]), "kubectl-edit")
    up(ctx)
    assert plugins(world) == [THEIRS, OURS]
    assert STAGE.remove(ctx)[0] == ENTRY
    assert plugins(world) == [THEIRS]


def test_a_plugin_that_somebody_added_since_has_the_controller_started_once_more(world, ctx):
    up(ctx)
    world.write(yaml.safe_dump([OURS, THEIRS]), "kubectl-edit")
    assert up(ctx).state == "changed"
    assert plugins(world) == [OURS, THEIRS]
    assert (up(ctx).state, world.starts) == ("unchanged", 3)


def test_interrupted_between_the_two_the_next_run_starts_the_controller(world, ctx):
    world.write(yaml.safe_dump([OURS]), "canarylab/plugin")
    changes = [change.subject for change in STAGE.changes(STAGE.observe(ctx))]
    assert f"Deployment {NAMESPACE}/argo-rollouts" in changes
    assert not [subject for subject in changes if "ConfigMap" in subject]
    up(ctx)
    assert (world.starts, world.told) == (2, "2026-01-01T00:00:01Z")


def test_an_entry_that_somebody_took_away_is_put_back_and_the_controller_started(world, ctx):
    """It may have been started without meanwhile."""
    up(ctx)
    world.write(None, "kubectl-edit")
    assert not STAGE.is_absent(STAGE.observe(ctx))
    assert up(ctx).state == "changed"
    assert (plugins(world), world.starts) == ([OURS], 3)


def test_without_any_of_it_it_is_absent(ctx):
    assert STAGE.is_absent(STAGE.observe(ctx))
    up(ctx)
    assert not STAGE.is_absent(STAGE.observe(ctx))


def test_before_the_controller_is_there_a_plan_shows_all_of_it():
    ctx = context_of(STAGE, provider=FakeProvider(FakeCluster()))
    observed = STAGE.observe(ctx)
    assert len(STAGE.changes(observed)) == 4
    assert STAGE.is_absent(observed)


def test_a_plugin_that_stands_in_for_another_is_named_as_that(world, ctx, provider, heard):
    provider.plugin = RouterPlugin("file:///plugin", note="a stand-in")
    up(ctx)
    assert plugins(world) == [{"name": NAME, "location": "file:///plugin"}]
    assert [event.message for event in heard if isinstance(event, Notice)] == ["a stand-in"]
    assert STAGE.facts(ctx) == {"plugin": "file:///plugin", "note": "a stand-in"}


# -- health -----------------------------------------------------------------------------------------------------------


def test_it_is_healthy_once_the_controller_that_has_the_plugin_leads(world, ctx):
    up(ctx)
    world.lead("argo-rollouts-1")
    assert "doesn't lead yet" in str(STAGE.health(ctx))
    world.lead("argo-rollouts-2")
    assert STAGE.health(ctx) is None


def test_without_a_leader_it_is_not_healthy(world, ctx):
    up(ctx)
    del world.objects[LEASE]
    assert "doesn't lead yet" in str(STAGE.health(ctx))


def test_it_waits_for_the_new_controller_to_take_the_lead(world, ctx):
    start = world._start

    def start_without_lead(annotations):
        start(annotations)
        del world.objects[LEASE]

    world._start = start_without_lead
    world.pending.append(lambda: world.lead("argo-rollouts-2"))
    assert up(ctx).state == "changed"
    assert not world.pending


def test_the_lead_of_a_controller_that_is_gone_is_not_waited_for(world, ctx):
    start = world._start

    def start_without_lead(annotations):
        start(annotations)
        world.lead("argo-rollouts-1")

    world._start = start_without_lead
    world.pending.append(lambda: LEASE in world.objects or world.lead("argo-rollouts-2"))
    assert up(ctx).state == "changed"
    assert "delete Lease argo-rollouts-controller-lock" in world.writes


def test_the_lead_of_a_controller_that_is_there_is_left_to_it(world, ctx):
    up(ctx)
    assert not [write for write in world.writes if "Lease" in write]


# -- a controller that can't load it ----------------------------------------------------------------------------------

FATAL = 'time="2026-01-01T00:00:00Z" level=fatal msg="Failed to download plugins: \\"no such host\\""'


def test_a_controller_that_cannot_load_the_plugin_goes_on_without_it(world, ctx):
    world.fatal = f"starting\n{FATAL}\n"
    outcome = up(ctx)
    assert outcome.state == "failed"
    assert isinstance(outcome.error, StageError)
    assert str(outcome.error.why).startswith(
        'Failed to download plugins: "no such host"; it takes the plugin from https://plug'
    )
    assert "taken out of its configuration" in str(outcome.error.remedy)
    assert (world.plugins, world.told) == (None, None)
    assert world.objects[LEASE]["spec"]["holderIdentity"].startswith("argo-rollouts-3_")


def test_what_it_said_is_reported_as_it_is_where_it_is_no_log_of_argos(world, ctx):
    world.fatal = "panic: no"
    assert up(ctx).error.why.startswith("panic: no; ")


def test_a_controller_that_does_not_start_in_time_goes_on_without_it_too(world, ctx, monkeypatch):
    monkeypatch.setattr(world, "_start", lambda _annotations: None)
    assert "doesn't lead yet" in up(ctx).error.why
    assert (world.plugins, world.told) == (None, None)


def test_a_configuration_that_cannot_be_read_is_left_as_it_is(world, ctx):
    world.write("a: b", "kubectl-edit")
    assert "can't be read" in up(ctx).reason
    assert world.plugins == "a: b"


# -- beside the stage argo-rollouts -----------------------------------------------------------------------------------


def test_the_stage_of_the_controller_sees_no_difference_and_takes_nothing_away(world, provider, tmp_path):
    config, deployment = (json.loads(json.dumps(world.objects[key])) for key in (CONFIG, DEPLOYMENT))
    del deployment["status"]
    provider.manifest = tmp_path / "install.json"
    provider.manifest.write_text(json.dumps([config, deployment]))
    argo = ArgoRolloutsStage("argo-rollouts", ArgoRolloutsOptions(version="1.10.1"))
    both = context_of(argo, STAGE, provider=provider)
    up(both, argo)
    up(both)
    assert up(both, argo).state == "unchanged"
    assert up(both).state == "unchanged"
    assert plugins(world) == [OURS]


# -- removal ----------------------------------------------------------------------------------------------------------


def test_removed_it_takes_the_plugin_and_the_rights_away_and_nothing_else(world, ctx):
    up(ctx)
    assert STAGE.removals(ctx) == STAGE.remove(ctx) == [ENTRY, BINDING, ROLE]
    assert (world.plugins, world.told, world.starts) == (None, None, 3)
    assert {CONFIG, DEPLOYMENT} <= set(world.objects)
    world.writes.clear()
    assert STAGE.remove(ctx) == []
    assert world.writes == []


def test_without_a_deployment_left_only_the_configuration_is_taken_back(world, ctx):
    up(ctx)
    del world.objects[DEPLOYMENT]
    assert STAGE.remove(ctx) == [ENTRY, BINDING, ROLE]
    assert DEPLOYMENT not in world.objects


# -- somebody else's controller ---------------------------------------------------------------------------------------


@pytest.fixture
def foreign():
    return ArgoWorld(owner="somebody")


@pytest.fixture
def there(foreign, heard):
    return context_of(STAGE, provider=BorrowedProvider(foreign), emit=heard.append)


def test_somebody_elses_controller_that_has_the_plugin_is_used_and_left(foreign, there, heard):
    foreign.write(yaml.safe_dump([{"name": NAME, "location": "https://theirs.example/plugin"}]), "helm")
    assert up(there).state == "unchanged"
    named = "Deployment argo-rollouts/argo-rollouts"
    assert set(heard.progress) == {f"{named} is somebody else's, and has the plugin: it is used as it is"}
    assert STAGE.facts(there) == {"installed by": "somebody else"}
    for looked in (STAGE.removals(there), STAGE.remove(there)):
        assert [removal.outcome for removal in looked] == ["left"]
    assert (foreign.writes, foreign.starts) == ([], 1)


def test_somebody_elses_controller_without_the_plugin_is_a_conflict(foreign, there):
    with pytest.raises(ConflictError, match=f"without the plugin {NAME}"):
        STAGE.observe(there)
    assert [removal.outcome for removal in STAGE.remove(there)] == ["left"]
    assert foreign.writes == []
