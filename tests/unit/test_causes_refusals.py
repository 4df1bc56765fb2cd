"""What the API server or a webhook refused, and what only events say: told with a remedy, and not waited for."""

from __future__ import annotations

import pytest
from causes_world import CausesWorld
from support.runs import context_of
from support.there import there

from canarylab.errors import CommandError
from canarylab.kube.client import ApiError
from canarylab.rollouts.causes import degraded, refusals
from canarylab.rollouts.causes import rollout as causes
from canarylab.stages.kinds.manifests import ManifestsOptions, ManifestsStage

QUOTA = (
    'Error creating: pods "web-two-x" is forbidden: exceeded quota: few, requested: pods=1, used: pods=1, '
    "limited: pods=1"
)
BASELINE = (
    'Error creating: pods "web-two-x" is forbidden: violates PodSecurity "baseline:latest": non-default capabilities '
    '(container "istio-init" must not include "NET_ADMIN", "NET_RAW" in securityContext.capabilities.add)'
)
OWN_FAULT = (
    'Error creating: pods "web-two-x" is forbidden: violates PodSecurity "restricted:latest": '
    'allowPrivilegeEscalation != false (container "web" must set securityContext.allowPrivilegeEscalation=false)'
)
WEBHOOK = (
    'Internal error occurred: failed calling webhook "validation.istio.io": failed to call webhook: Post '
    '"https://istiod.istio-system.svc:443/validate?timeout=10s": no endpoints available for service "istiod"'
)


@pytest.fixture
def world() -> CausesWorld:
    return CausesWorld()


def cause(world: CausesWorld):
    found = causes.standstill(world.ctx, "shop", "web")
    assert found is not None
    return found


class TestQuota:
    def test_it_is_named_and_nobody_waits_for_it(self, world):
        world.put("v1", "ResourceQuota", "few", spec={"hard": {"pods": "1"}})
        world.refused(QUOTA)
        found = cause(world)
        assert "exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1" in found.why
        assert "--namespace shop describe resourcequota few`" in found.remedy
        assert found.permanent

    def test_one_that_was_raised_since_is_waited_for(self, world):
        world.put("v1", "ResourceQuota", "few", spec={"hard": {"pods": "5"}})
        world.refused(QUOTA)
        assert not cause(world).permanent
        assert "was changed since" in cause(world).why

    def test_pods_that_are_leaving_will_make_room(self, world):
        world.put("v1", "ResourceQuota", "few", spec={"hard": {"pods": "1"}})
        world.pod("web-one-y", owner="rs-one", labels={"app": "web"}, deletionTimestamp="2026-01-01T10:05:00Z")
        world.refused(QUOTA)
        assert not cause(world).permanent

    def test_also_where_some_of_the_pods_were_made(self, world):
        world.cluster.objects["apps/v1", "ReplicaSet", "shop", "web-two"]["spec"]["replicas"] = 2
        world.pod("web-two-x", owner="rs-two", labels={"app": "web"})
        world.put("v1", "ResourceQuota", "few", spec={"hard": {"pods": "1"}})
        world.refused(QUOTA)
        assert "exceeded quota: few" in cause(world).why

    def test_what_it_counts_and_the_template_does_not_say(self, world):
        world.refused('Error creating: pods "x" is forbidden: failed quota: cpu: must specify limits.cpu for: web')
        assert "(must specify limits.cpu for: web)" in cause(world).remedy
        assert cause(world).permanent


class TestPodSecurity:
    def test_both_ways_out_are_named(self, world):
        label = {"pod-security.kubernetes.io/enforce": "baseline"}
        world.put("v1", "Namespace", "shop", labels=label)
        world.refused(BASELINE)
        found = cause(world)
        assert (
            "init container istio-init needs NET_ADMIN and NET_RAW, which the level `baseline` of namespace shop"
            in found.why
        )
        assert "Istio's CNI plugin (chart istio/cni" in found.remedy
        command = "label namespace shop pod-security.kubernetes.io/enforce=privileged --overwrite`"
        assert command in found.remedy
        assert found.permanent

    def test_a_level_that_no_label_asks_for_is_the_api_server_s(self, world):
        world.refused(BASELINE)
        assert "the level is the API server's own default" in cause(world).remedy

    def test_for_restricted_the_sidecar_needs_a_profile_too(self, world):
        world.refused(BASELINE.replace("baseline", "restricted"))
        assert "seccompProfile: {type: RuntimeDefault}" in cause(world).remedy

    def test_the_application_s_own_fault_is_not_istio_s(self, world):
        world.refused(OWN_FAULT)
        assert "change the Rollout's template so that it meets `restricted`" in cause(world).remedy
        assert "CNI" not in cause(world).remedy

    def test_up_asks_for_it(self, world):
        world.refused(BASELINE)
        found = there(degraded.cause(world.ctx, [world.rollout]))
        assert found == cause(world)
        assert found.permanent


class TestWebhook:
    def test_one_that_denies_is_named(self, world):
        world.refused('admission webhook "policy.example.test" denied the request: no latest tags')
        assert "webhook policy.example.test allows it" in cause(world).remedy
        assert cause(world).permanent

    def test_a_service_that_is_not_there(self, world):
        world.refused(WEBHOOK)
        assert "there is no Service istio-system/istiod, which that webhook asks" in cause(world).why

    @pytest.fixture
    def istiod(self, world):
        selector = {"app": "istiod"}
        world.put("v1", "Service", "istiod", "istio-system", spec={"selector": selector})
        template = {"metadata": {"labels": selector}}
        world.put("apps/v1", "Deployment", "istiod", "istio-system", spec={"replicas": 0, "template": template})
        return world

    def test_a_deployment_that_is_scaled_to_0(self, istiod):
        istiod.refused(WEBHOOK)
        found = cause(istiod)
        assert "no pod is behind Service istio-system/istiod: Deployment istiod is scaled to 0" in found.why
        assert "--namespace istio-system scale deployment istiod --replicas 1`" in found.remedy
        assert found.permanent

    def test_one_that_starts_is_waited_for(self, istiod):
        istiod.cluster.objects["apps/v1", "Deployment", "istio-system", "istiod"]["spec"]["replicas"] = 1
        istiod.refused(WEBHOOK)
        assert "no pod behind Service istio-system/istiod is ready" in cause(istiod).why
        assert not cause(istiod).permanent

    def test_one_that_answers_again_is_not_blamed(self, istiod):
        istiod.pod("istiod-x", "istio-system", labels={"app": "istiod"})
        istiod.refused(WEBHOOK)
        assert "has a ready pod now" in cause(istiod).why
        assert not cause(istiod).permanent


class TestEvents:
    """Of the Rollout itself: the new pods are there."""

    @pytest.fixture
    def world(self) -> CausesWorld:
        world = CausesWorld()
        world.pod("web-two-x", owner="rs-two", labels={"app": "web"})
        return world

    def test_a_weight_that_could_not_be_written_is_told_in_the_event_s_words(self, world):
        world.event("Rollout", "web", "TrafficRoutingError", "the server refused the weight")
        found = cause(world)
        assert found.why == "Argo's controller says of the Rollout: TrafficRoutingError: the server refused the weight"
        assert "describe rollout web`" in found.remedy

    def test_a_webhook_behind_it_is_looked_at(self, world):
        world.event("Rollout", "web", "TrafficRoutingError", WEBHOOK)
        assert cause(world).why.startswith("TrafficRoutingError: Internal error occurred: failed calling webhook")
        assert "there is no Service istio-system/istiod" in cause(world).why

    @pytest.mark.parametrize("reason", ["VirtualServiceNotFound", "WeightVerifyError", "ReconciliationError"])
    def test_its_kin_as_well(self, world, reason):
        world.event("Rollout", "web", reason, "said")
        assert f"{reason}: said" in cause(world).why

    def test_it_outlives_the_abort_of_a_reset(self, world):
        world.rollout["status"] |= {"abort": True, "phase": "Degraded", "message": "RolloutAborted: by hand"}
        world.event("Rollout", "web", "RolloutAborted", "by hand")
        assert "aborted" in cause(world).why
        world.event("Rollout", "web", "TrafficRoutingError", WEBHOOK, time="2026-01-01T10:06:00Z")
        assert "there is no Service istio-system/istiod" in cause(world).why

    def test_one_of_before_the_rollout_got_on_says_nothing(self, world):
        world.event("Rollout", "web", "TrafficRoutingError", "no", time="2026-01-01T09:59:59Z")
        assert causes.standstill(world.ctx, "shop", "web") is None

    def test_nor_one_that_something_good_came_after(self, world):
        world.event("Rollout", "web", "TrafficRoutingError", "no", time="2026-01-01T10:05:00Z")
        world.event("Rollout", "web", "TrafficWeightUpdated", "done", time="2026-01-01T10:05:01Z", type_="Normal")
        assert causes.standstill(world.ctx, "shop", "web") is None

    def test_who_may_not_read_events_is_told_nothing(self, world):
        world.event("Rollout", "web", "TrafficRoutingError", "no")
        world.cluster.refused["list Event"] = ApiError("forbidden", 403, where="GET")
        assert causes.standstill(world.ctx, "shop", "web") is None

    def test_up_says_it_too_and_goes_on_waiting(self, world):
        world.event("Rollout", "web", "TrafficRoutingError", "the server refused the weight")
        found = there(degraded.cause(world.ctx, [world.rollout]))
        assert found.why.startswith("Argo's controller says of the Rollout: TrafficRoutingError")
        assert not found.permanent


class TestUndecided:
    @pytest.fixture
    def world(self) -> CausesWorld:
        world = CausesWorld()
        world.rollout["status"] |= {
            "phase": "Paused",
            "message": "InconclusiveAnalysisRun",
            "pauseConditions": [{"reason": "InconclusiveAnalysisRun", "startTime": "2026-01-01T10:00:00Z"}],
            "canary": {"currentBackgroundAnalysisRunStatus": {"name": "web-two-2", "status": "Inconclusive"}},
        }
        measured = {"name": "age", "phase": "Inconclusive", "measurements": [{"value": "12"}]}
        status = {"phase": "Inconclusive", "metricResults": [measured]}
        world.put("argoproj.io/v1alpha1", "AnalysisRun", "web-two-2", status=status)
        return world

    def test_the_run_is_named_with_what_it_measured(self, world):
        found = cause(world)
        assert "AnalysisRun web-two-2 is Inconclusive (age measured 12)" in found.why
        assert "argo rollouts promote web" in found.remedy
        assert found.permanent

    def test_status_and_watch_say_it_too(self, world):
        assert causes.trouble(world.ctx, "shop", "web") == cause(world)

    def test_a_pause_that_is_as_it_should_be_is_no_trouble(self, world):
        world.rollout["status"]["pauseConditions"][0]["reason"] = "CanaryPauseStep"
        world.pod("web-two-x", owner="rs-two", labels={"app": "web"})
        assert causes.trouble(world.ctx, "shop", "web") is None


class TestController:
    """A change that nobody looks at: of the spec, or of the status, as an abort is, which changes no generation."""

    @pytest.fixture(params=[1, 2])
    def world(self, request) -> CausesWorld:
        world = CausesWorld()
        world.rollout["metadata"]["generation"] = request.param
        labels = {"app.kubernetes.io/name": "argo-rollouts"}
        world.put("apps/v1", "Deployment", "argo-rollouts", "argo", spec={"replicas": 1}, labels=labels)
        return world

    def test_one_that_is_scaled_to_0(self, world):
        world.cluster.objects["apps/v1", "Deployment", "argo", "argo-rollouts"]["spec"]["replicas"] = 0
        found = cause(world)
        assert found.why == "nobody acts on Rollouts: Deployment argo/argo-rollouts, Argo's controller, is scaled to 0"
        assert "--namespace argo scale deployment argo-rollouts --replicas 1`" in found.remedy
        assert found.permanent

    def test_one_that_is_not_ready_may_get_so(self, world):
        world.pod("argo-x", "argo", ready=False, labels={"app.kubernetes.io/name": "argo-rollouts"})
        assert "no pod of Deployment argo/argo-rollouts, Argo's controller, is ready" in cause(world).why
        assert not cause(world).permanent

    def test_one_that_runs_is_not_blamed(self, world):
        world.pod("argo-x", "argo", labels={"app.kubernetes.io/name": "argo-rollouts"})
        world.pod("web-two-x", owner="rs-two", labels={"app": "web"})
        assert causes.standstill(world.ctx, "shop", "web") is None

    def test_one_at_rest_needs_nobody(self, world):
        world.rollout["status"] |= {"phase": "Healthy", "currentPodHash": "one"}
        world.rollout["metadata"]["generation"] = 1
        assert causes.trouble(world.ctx, "shop", "web") is None

    def test_a_rollout_that_was_never_looked_at_is_told_the_same(self, world):
        world.rollout["status"] = {}
        assert "nobody acts on Rollouts" in there(causes.trouble(world.ctx, "shop", "web")).why


class TestErrors:
    """What keeps something from being written is told by the error itself, as it is by `status`."""

    def refused(self, world, error):
        with pytest.raises(type(error)) as raised, refusals.explained(world.ctx, "VirtualService web", "shop"):
            raise error
        return raised.value

    def test_a_webhook_that_nobody_answers(self, world):
        error = self.refused(world, ApiError(WEBHOOK, 500, where="PATCH /x"))
        assert error.what == WEBHOOK
        assert error.why == "there is no Service istio-system/istiod, which that webhook asks"
        assert "`invoke up` brings it back if it is the playbook's" in error.next_step
        assert "demo --reset" not in error.next_step

    def test_of_a_program_by_its_last_words(self, world):
        error = self.refused(world, CommandError("kubectl argo rollouts set image", 1, f"Error: {WEBHOOK}"))
        assert error.why == f"Error: {WEBHOOK}; there is no Service istio-system/istiod, which that webhook asks"

    def test_what_tells_of_no_refusal_stays_as_it_is(self, world):
        error = self.refused(world, ApiError("no such field", 400, where="PATCH /x"))
        assert (error.why, error.remedy) == (None, None)

    def test_so_does_one_that_can_not_be_looked_into(self, world):
        world.cluster.refused["get Service istiod"] = ApiError("no answer", None, where="GET")
        error = self.refused(world, ApiError(WEBHOOK, 500, where="PATCH /x"))
        assert (error.what, error.why) == (WEBHOOK, None)

    def test_a_stage_that_applies_says_it(self, world, tmp_path):
        (tmp_path / "app.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n")
        stage = ManifestsStage("app", ManifestsOptions(path="app.yaml", namespace="shop"), base=tmp_path)
        ctx = context_of(stage, cluster=world.cluster, base=tmp_path)
        world.cluster.refused["apply ConfigMap settings"] = ApiError(WEBHOOK, 500, where="PATCH /x")
        with pytest.raises(ApiError) as raised:
            stage.apply(ctx, stage.observe(ctx))
        assert raised.value.why == "there is no Service istio-system/istiod, which that webhook asks"
