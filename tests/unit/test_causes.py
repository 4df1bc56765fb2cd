"""What lies behind an expectation that isn't met, and what to do about it."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from demo_world import HASHES, IMAGE, Stage, pod, step
from support.fake_time import FakeTime
from support.istio_webhooks import webhooks
from support.runs import playbook_of

from canarylab.contract.step import Claim, Session
from canarylab.demo import reset
from canarylab.demo.steps.abort import Abort
from canarylab.demo.steps.expect_rollout import ExpectRollout
from canarylab.demo.steps.healthy import Healthy
from canarylab.demo.steps.set_image import SetImage
from canarylab.errors import ExpectationError
from canarylab.kube.client import ApiError
from canarylab.rollouts.causes import injection
from canarylab.rollouts.causes import rollout as causes
from canarylab.rollouts.view import RolloutView, read_rollout

CONTEXT = "--context argo-istio-canary --namespace default"
POD = f"rollouts-demo-{HASHES['yellow']}-x"
RESET = "`invoke demo --reset` brings the Rollout back to its stable revision"


@pytest.fixture
def stage() -> Stage:
    found = Stage()
    found.ctx = dataclasses.replace(found.ctx, playbook=playbook_of([]))
    return found


@pytest.fixture
def updating(stage: Stage) -> Stage:
    """The canary's pod is there; the first step isn't done."""
    images = [f"{IMAGE}:blue", f"{IMAGE}:yellow"]
    step(SetImage, rollout="rollouts-demo", container="rollouts-demo", images=images).run(stage.ctx, None)
    stage.world.pending.clear()
    stage.events.clear()
    return stage


def expect(stage: Stage, **options: object) -> ExpectationError:
    """What is said where it isn't so."""
    with pytest.raises(ExpectationError) as raised:
        step(ExpectRollout, rollout="rollouts-demo", **options).run(stage.ctx, None)
    return raised.value


def never_waits(stage: Stage) -> Stage:
    stage.world.pending.append(lambda: pytest.fail("waited on"))
    return stage


def view(stage: Stage) -> RolloutView:
    return read_rollout(stage.ctx, "default", "rollouts-demo")


def canary_pod(stage: Stage, *, ready: bool = False, **state: object) -> None:
    """The canary's pod with its container in a state."""
    changed = pod("yellow", ready=ready)
    changed["metadata"] |= {"namespace": "default", "labels": {"app": "rollouts-demo"}}
    changed["spec"]["containers"][0]["image"] = f"{IMAGE}:yellow"
    changed["status"]["containerStatuses"][0] |= {"ready": ready, **state}
    others = [one for one in stage.world.pods() if one["metadata"]["name"] != POD]
    stage.world.pods = lambda: [*others, changed]  # type: ignore[method-assign]


def waiting(reason: str, message: str = "") -> dict[str, object]:
    return {"state": {"waiting": {"reason": reason, "message": message}}}


class TestImages:
    @pytest.mark.parametrize(
        ("reason", "message"),
        [
            ("ErrImageNeverPull", "Container image is not present with pull policy of Never"),
            ("InvalidImageName", "couldn't parse image name"),
            ("ErrImagePull", 'failed to resolve reference "docker.io/library/x:1": docker.io/library/x:1: not found'),
            ("ImagePullBackOff", 'Back-off pulling image "x": ErrImagePull: pull access denied'),
            ("ErrImagePull", "dial tcp: lookup registry.example.com on 10.0.0.1:53: connection refused"),
        ],
    )
    def test_one_that_never_comes_is_not_waited_for(self, updating: Stage, reason: str, message: str):
        canary_pod(updating, **waiting(reason, message))
        error = expect(never_waits(updating), status="Paused")
        assert f"Pod {POD}, container rollouts-demo: {reason}: {message}" in str(error.why)
        assert f"`kubectl {CONTEXT} describe pod {POD}`" in str(error.remedy)
        assert RESET in str(error.remedy)

    def test_a_pull_that_may_succeed_later_is_waited_for(self, updating: Stage):
        canary_pod(updating, **waiting("ErrImagePull", "net/http: TLS handshake timeout"))
        assert not causes.never_reaches(view(updating), "Paused")

    def test_one_that_the_cluster_has_not_is_reported_with_those_it_has(self, updating: Stage):
        node = {"status": {"images": [{"names": [f"{IMAGE}:blue"]}]}}
        updating.world.others["Node"] = [node]
        updating.provider.images.ours = lambda _ctx: []  # type: ignore[attr-defined]
        canary_pod(updating, **waiting("ErrImageNeverPull"))
        error = expect(updating, status="Paused")
        assert f"the cluster has no image {IMAGE}:yellow, which Pod {POD} wants" in str(error.why)
        assert f"did you mean {IMAGE}:blue?" in str(error.remedy)

    def test_where_degraded_is_expected_it_may_still_come(self, updating: Stage):
        canary_pod(updating, **waiting("ErrImageNeverPull"))
        assert not causes.never_reaches(view(updating), "Degraded")

    def test_the_last_update_s_pods_say_nothing_of_a_template_the_controller_has_not_seen(self, updating: Stage):
        canary_pod(updating, **waiting("ErrImageNeverPull"))
        updating.world.wanted = "blue"
        assert not causes.never_reaches(view(updating), "Healthy")


class TestPods:
    def test_a_failing_probe_is_reported_with_its_event_and_for_how_long(self, updating: Stage):
        canary_pod(updating)
        began = (datetime.now(UTC) - timedelta(seconds=58)).strftime("%Y-%m-%dT%H:%M:%SZ")
        _, changed = updating.world.pods()
        changed["status"]["conditions"] = [{"type": "Ready", "status": "False", "lastTransitionTime": began}]
        said = "Readiness probe failed: HTTP probe failed with statuscode: 503"
        about = {"involvedObject": {"kind": "Pod", "name": POD}, "type": "Warning", "metadata": {}}
        updating.world.others["Event"] = [{**about, "reason": "Unhealthy", "message": said}]
        error = expect(updating, status="Paused")
        assert f"Pod {POD}: Unhealthy: {said}; it isn't ready for 5" in str(error.why)
        assert "Argo calls the Rollout Degraded after 600 s without progress" in str(error.why)
        assert f"describe pod {POD}` shows all of it; {RESET}" in str(error.remedy)

    def test_what_becomes_of_it_is_what_the_rollout_says(self, updating: Stage):
        rollout = updating.world.rollout()
        rollout["spec"] |= {"progressDeadlineSeconds": 60, "progressDeadlineAbort": True}
        updating.world.rollout = lambda: rollout  # type: ignore[method-assign]
        canary_pod(updating, **waiting("CrashLoopBackOff"))
        assert "Argo aborts the update after 60 s without progress" in str(expect(updating, status="Paused").why)

    def test_a_crash_is_reported_with_how_it_ended_and_how_often(self, updating: Stage):
        last = {"terminated": {"exitCode": 128, "reason": "StartError", "message": "exec: no such file\n"}}
        canary_pod(updating, lastState=last, restartCount=3, **waiting("CrashLoopBackOff", "back-off 10s"))
        error = expect(updating, status="Paused")
        ended = "ended with 128 (StartError), and was started again 3 times: exec: no such file;"
        assert f"container rollouts-demo {ended}" in str(error.why)
        assert f"logs {POD} --container rollouts-demo --previous`" in str(error.remedy)

    def test_where_no_pod_can_be_created_the_replica_set_says_why(self, updating: Stage):
        updating.world.pods = lambda: [pod("blue")]  # type: ignore[method-assign]
        sets = updating.world.replica_sets
        updating.world.replica_sets = lambda: [  # type: ignore[method-assign]
            {**one, "status": {**one["status"], "availableReplicas": 0}} for one in sets()
        ]
        name = f"rollouts-demo-{HASHES['yellow']}"
        about = {"involvedObject": {"kind": "ReplicaSet", "name": name}, "type": "Warning", "metadata": {}}
        updating.world.others["Event"] = [{**about, "reason": "FailedCreate", "message": "exceeded quota"}]
        error = expect(updating, status="Paused")
        assert error.why == f"ReplicaSet {name}: FailedCreate: exceeded quota"


class TestStandstill:
    def test_a_pause_by_hand_is_reported_with_whose_hand_and_how_to_resume(self, stage: Stage):
        stage.world.paused_by_hand()
        fields: dict[str, Any] = {"f:spec": {"f:paused": {}}}
        entry = {"manager": "kubectl-argo-rollouts", "time": "2026-01-01T10:00:00Z", "fieldsV1": fields}
        original = stage.world.rollout
        stage.world.rollout = lambda: {  # type: ignore[method-assign]
            **original(), "metadata": {**original()["metadata"], "managedFields": [{"fieldsV1": None}, entry]}
        }  # fmt: skip
        with pytest.raises(ExpectationError) as raised:
            step(Healthy, rollout="rollouts-demo").run(never_waits(stage).ctx, None)
        said = str(raised.value)
        assert "somebody paused it with kubectl-argo-rollouts at 2026-01-01T10:00:00Z (spec.paused)" in said
        resume = (
            f'`kubectl {CONTEXT} patch rollout rollouts-demo --type merge --patch \'{{"spec":{{"paused":false}}}}\'`'
        )
        assert f"{resume} lets it go on; {RESET}" in said

    def test_it_is_not_waited_for_in_the_middle_either(self, updating: Stage):
        updating.world.paused_by_hand()
        assert "somebody paused it" in str(expect(never_waits(updating), status="Paused", reason="CanaryPauseStep"))

    def test_a_pause_that_nobody_expected_is_reported_with_the_way_on(self, updating: Stage):
        updating.world._go_on()
        error = expect(never_waits(updating), status="Healthy")
        assert "it is in the middle of an update: Paused (CanaryPauseStep), step 1/2" in str(error.why)
        assert f"`kubectl argo rollouts promote rollouts-demo {CONTEXT}` lets it go on" in str(error.remedy)

    def test_another_step_than_the_one_it_waits_at_never_comes(self, updating: Stage):
        updating.world._go_on()
        assert "expected 2/2, saw 1/2" in str(expect(never_waits(updating), status="Paused", step="2/2"))

    def test_one_that_was_promoted_a_moment_ago_does_not_stand_still(self, updating: Stage):
        updating.world._go_on()
        updating.world.promote()
        assert not causes.never_reaches(view(updating), "Healthy")


class TestWaits:
    """What stands still is asked why while it is waited for, not only at the end."""

    @pytest.fixture
    def refused(self, updating: Stage) -> Stage:
        """The canary's ReplicaSet gets no pod; the clock is in no hurry."""
        updating.ctx.cancel = FakeTime(tick=3)
        updating.world.pods = lambda: [pod("blue")]  # type: ignore[method-assign]
        sets = updating.world.replica_sets
        updating.world.replica_sets = lambda: [  # type: ignore[method-assign]
            {**one, "status": {**one["status"], "availableReplicas": 0}} for one in sets()
        ]
        about = {"kind": "ReplicaSet", "name": f"rollouts-demo-{HASHES['yellow']}"}
        said = 'admission webhook "no.test" denied the request: not today'
        event = {"involvedObject": about, "type": "Warning", "metadata": {}, "reason": "FailedCreate", "message": said}
        updating.world.others["Event"] = [event]
        updating.world.pending += [lambda: None, lambda: pytest.fail("waited on")]
        return updating

    def test_a_cause_that_only_a_person_can_mend_ends_the_wait(self, refused: Stage):
        error = expect(refused, status="Paused")
        assert 'admission webhook "no.test" denied the request: not today' in str(error.why)
        assert "webhook no.test allows it" in str(error.remedy)

    def test_it_is_shown_at_once(self, refused: Stage):
        expect(refused, status="Paused")
        assert any("denied the request: not today" in str(event) for event in refused.events)

    def test_where_the_failure_is_awaited_it_goes_on(self, refused: Stage):
        refused.world.pending.pop()
        refused.world.pending += [lambda: None, lambda: None]
        expect(refused, status="Degraded")
        assert not refused.world.pending

    def test_where_nothing_goes_on_no_failure_is_awaited(self, updating: Stage, monkeypatch: pytest.MonkeyPatch):
        """Argo does nothing with a Rollout whose spec it refuses, not even an abort."""
        monkeypatch.setattr("canarylab.contract.cause._STILL", 0)
        updating.world.aborted = lambda: updating.world.refused("spec.steps: no")  # type: ignore[method-assign]
        updating.world.pending += [lambda: None, lambda: pytest.fail("waited on")]
        with pytest.raises(ExpectationError) as raised:
            step(Abort, rollout="rollouts-demo").run(updating.ctx, Session())
        assert "Argo refuses its spec" in str(raised.value.why)

    def test_a_reset_ends_too(self, refused: Stage):
        with pytest.raises(ExpectationError) as raised:
            reset._await_rest(
                refused.ctx.for_stage("reset", refused.ctx.deadline), ("default", "rollouts-demo"), several=False
            )
        assert "not today" in str(raised.value.why)


def test_an_abort_is_reported_with_its_reason_and_how_to_restart_it(updating: Stage):
    updating.world.aborted()
    error = expect(never_waits(updating), status="Paused")
    assert "the update was aborted, and its template is still the one wanted: RolloutAborted: Rollout" in str(error.why)
    assert f"`kubectl argo rollouts retry rollout rollouts-demo {CONTEXT}` restarts the update" in str(error.remedy)


def test_a_spec_that_argo_refuses_is_for_up_to_put_back(updating: Stage):
    updating.world.refused("spec.steps: no")
    error = expect(never_waits(updating), status="Paused")
    assert error.why == 'Argo refuses its spec: The Rollout "rollouts-demo" is invalid: spec.steps: no'
    assert "`invoke up` puts it back" in str(error.remedy)


class TestRollback:
    """Back to blue, which was there before yellow: Argo may do that at once."""

    def rolled_back(self, updating: Stage, window: int) -> Stage:
        world = updating.world
        world.revisions = {"yellow": {"number": 2, "replicas": 0}, "blue": {"number": 3, "replicas": 1}}
        world.set_image("blue")
        world._back()
        created = {"yellow": "2026-01-01T11:00:00Z", "blue": "2026-01-01T10:00:00Z"}
        sets, rollout = world.replica_sets(), world.rollout()
        for one, color in zip(sets, world.revisions, strict=True):
            one["metadata"]["creationTimestamp"] = created[color]
        rollout["spec"]["rollbackWindow"] = {"revisions": window}
        world.replica_sets, world.rollout = lambda: sets, lambda: rollout  # type: ignore[method-assign]
        return updating

    def test_within_the_window_the_steps_were_skipped(self, updating: Stage):
        error = expect(self.rolled_back(updating, 2), status="Paused", reason="CanaryPauseStep", timeout=1)
        assert "goes back to one of the last 2 revisions without steps, pauses or analysis" in str(error.why)
        assert "take rollbackWindow out of the Rollout" in str(error.remedy)

    def test_without_a_window_that_is_not_the_cause(self, updating: Stage):
        error = expect(self.rolled_back(updating, 0), status="Paused", reason="CanaryPauseStep", timeout=1)
        assert "rollbackWindow" not in str(error)


class TestInjection:
    @pytest.fixture
    def bare(self, stage: Stage) -> Stage:
        stage.world.sidecar = False
        return never_waits(stage)

    def namespace(self, stage: Stage, **labels: str) -> None:
        meta = {"name": "default", "namespace": "default", "labels": labels}
        stage.world.others["Namespace"] = [{"metadata": meta}]

    def test_without_the_label_up_and_a_restart_are_the_remedy(self, bare: Stage):
        self.namespace(bare)
        error = expect(bare, status="Healthy", pods="2/2")
        assert "namespace default doesn't have the label istio-injection=enabled" in str(error.why)
        assert error.remedy is not None
        assert error.remedy.startswith("`invoke up` sets it")
        assert f"`kubectl argo rollouts restart rollouts-demo {CONTEXT}` recreates the pods" in error.remedy

    def test_with_the_label_the_pod_was_too_early(self, bare: Stage):
        self.namespace(bare, **{"istio-injection": "enabled"})
        error = expect(bare, status="Healthy", pods="2/2")
        assert "has no sidecar: its namespace asks for one, but when the pod began" in str(error.why)
        assert f"`kubectl argo rollouts restart rollouts-demo {CONTEXT}`" in str(error.remedy)

    def test_a_revision_that_is_not_there_is_told_and_no_restart(self, bare: Stage):
        self.namespace(bare, **{"istio.io/rev": "1-30"})
        bare.ctx.cluster.kinds.add(("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"))  # type: ignore[attr-defined]
        bare.world.others["MutatingWebhookConfiguration"] = [webhooks()]
        error = expect(bare, status="Healthy", pods="2/2")
        assert "has no sidecar: no webhook of Istio is for istio.io/rev=1-30" in str(error.why)
        assert "there is: default" in str(error.why)
        assert "restart" not in str(error.remedy)

    def test_a_pod_that_asks_for_none_gets_none(self, bare: Stage):
        self.namespace(bare, **{"istio-injection": "enabled"})
        original = bare.world.pods()
        for one in original:
            one["metadata"]["labels"] = {**one["metadata"].get("labels", {}), "sidecar.istio.io/inject": "false"}
        bare.world.pods = lambda: original  # type: ignore[method-assign]
        assert "it asks for none" in str(expect(bare, status="Healthy", pods="2/2").why)

    def test_where_every_pod_has_one_it_is_not_blamed(self, bare: Stage):
        bare.world.sidecar = True
        error = expect(bare, status="Healthy", pods="3/3")
        assert "the template itself has fewer containers than that" in str(error.why)
        assert "istio-injection" not in str(error)

    @pytest.mark.parametrize(
        ("phase", "message", "may"),
        [
            ("Progressing", "rollout is restarting", True),
            ("Progressing", "waiting for rollout spec update to be observed", True),
            ("Progressing", "more replicas need to be updated", False),
            ("Healthy", "", False),
        ],
    )
    def test_pods_of_the_wanted_revision_are_made_anew_by_a_restart_only(
        self, bare: Stage, phase: str, message: str, *, may: bool
    ):
        bare.world.phase, bare.world.message = phase, message
        found = view(bare)
        assert injection.may_come(found, found.revisions[0]) is may

    def test_those_of_the_former_stable_go_with_the_update(self, updating: Stage):
        found = view(updating)
        new, old = found.revisions
        assert (injection.may_come(found, new), injection.may_come(found, old)) == (False, True)


class TestExplained:
    CLAIM = Claim("status", "Healthy", "Paused", holds=False, cause="as it was seen")

    def test_what_holds_is_left_as_it_is(self, stage: Stage):
        held = dataclasses.replace(self.CLAIM, holds=True)
        assert causes.explained(stage.ctx, "default", "gone", [held]) == (held,)

    def test_a_cluster_that_does_not_answer_any_more_hides_nothing(self, stage: Stage):
        def get_rollout(*_: object) -> None:
            raise ApiError("no answer", None, where="GET")

        stage.ctx.cluster.get = get_rollout  # type: ignore[assignment]
        assert causes.explained(stage.ctx, "default", "rollouts-demo", [self.CLAIM]) == (self.CLAIM,)

    def test_where_nothing_is_found_what_was_seen_stays(self, stage: Stage):
        assert causes.explained(stage.ctx, "default", "rollouts-demo", [self.CLAIM]) == (self.CLAIM,)
