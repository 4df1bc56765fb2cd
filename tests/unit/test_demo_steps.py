"""Each kind of step, in a small world whose controller does what Argo's does."""

from __future__ import annotations

from typing import Any

import pytest
from demo_world import IMAGE, Stage, WorldCluster, step
from pydantic import ValidationError
from support.fake_cluster import Key

import canarylab.demo.steps
from canarylab.contract.step import Step
from canarylab.demo.reset import reset
from canarylab.demo.steps.expect_rollout import ExpectRollout
from canarylab.demo.steps.healthy import Healthy
from canarylab.demo.steps.promote import Promote
from canarylab.demo.steps.set_image import SetImage, successor
from canarylab.errors import ExpectationError
from canarylab.kind_discovery import discover
from canarylab.kube.client import ApiError
from canarylab.tools.runner import Result

IMAGES = [f"{IMAGE}:blue", f"{IMAGE}:yellow"]
HEALTHY = step(Healthy, rollout="rollouts-demo")
PROMOTE = step(Promote, rollout="rollouts-demo")


def set_image(**which: object) -> Step:
    return step(SetImage, rollout="rollouts-demo", container="rollouts-demo", **which)


SET_IMAGE = set_image(images=IMAGES)


def expect(**options: object) -> Step:
    return step(ExpectRollout, rollout="rollouts-demo", **options)


PAUSED = expect(
    status="Paused",
    reason="CanaryPauseStep",
    step="1/2",
    set_weight=5,
    actual_weight=5,
    canary="latest",
    stable="previous",
    replicas={"desired": 1, "current": 2, "updated": 1, "ready": 2, "available": 2},
    pods="2/2",
)


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def paused(stage: Stage) -> Stage:
    SET_IMAGE.run(stage.ctx, None)
    PAUSED.run(stage.ctx, None)
    stage.events.clear()
    stage.runner.commands.clear()
    return stage


def test_every_kind_is_found_by_itself():
    kinds = {"healthy", "set-image", "expect-rollout", "evidence", "traffic", "promote"}
    assert kinds <= set(discover(canarylab.demo.steps, Step, "kind"))  # type: ignore[type-abstract]


class TestHealthy:
    def test_a_rollout_at_rest_may_begin(self, stage: Stage):
        HEALTHY.run(stage.ctx, None)
        assert [fact.text for fact in stage.facts] == ["status", "step", "stable", "old revisions"]
        assert all(fact.holds for fact in stage.facts)

    def test_one_in_the_middle_says_of_what_and_offers_the_reset(self, paused: Stage):
        with pytest.raises(ExpectationError) as raised:
            HEALTHY.run(paused.ctx, None)
        said = str(raised.value)
        assert "in the middle of an update: Paused (CanaryPauseStep), step 1/2" in said
        assert f"revision 2 ({IMAGE}:yellow) is canary" in said
        assert "`invoke demo --reset`" in said

    def test_one_that_was_aborted_is_in_the_middle_too(self, paused: Stage):
        paused.world.aborted()
        with pytest.raises(ExpectationError):
            HEALTHY.run(paused.ctx, None)
        assert paused.unmet[0].text == "status"
        assert paused.unmet[0].seen.startswith("Degraded")

    def test_an_old_revision_that_is_still_up_is_waited_for(self, paused: Stage):
        PROMOTE.run(paused.ctx, None)
        HEALTHY.run(paused.ctx, None)
        assert "old revisions: ScaledDown | revision 1" in paused.said
        assert not paused.world.pending

    def test_a_rollout_that_is_not_there_is_named(self, stage: Stage):
        with pytest.raises(ExpectationError, match="no Rollout default/other"):
            step(Healthy, rollout="other").run(stage.ctx, None)


class TestSetImage:
    def test_it_goes_from_the_stable_image_to_the_next(self, stage: Stage):
        SET_IMAGE.run(stage.ctx, None)
        assert stage.runner.commands == [f"set image rollouts-demo rollouts-demo={IMAGE}:yellow"]
        (fact,) = stage.facts
        assert f"from {IMAGE}:blue" in fact.text
        assert fact.seen == f"revision 2 ({IMAGE}:yellow)"

    def test_after_the_last_comes_the_first(self, paused: Stage):
        PROMOTE.run(paused.ctx, None)
        HEALTHY.run(paused.ctx, None)
        SET_IMAGE.run(paused.ctx, None)
        assert paused.runner.commands[-1].endswith(":blue")
        assert paused.facts[-1].seen == f"revision 3 ({IMAGE}:blue)"

    def test_an_image_that_is_not_in_the_list_is_followed_by_the_first(self):
        assert successor("elsewhere:red", IMAGES) == IMAGES[0]

    def test_a_container_that_is_not_there_is_named_with_those_that_are(self, stage: Stage):
        wrong = step(SetImage, rollout="rollouts-demo", container="web", images=IMAGES)
        with pytest.raises(ExpectationError, match="one of: rollouts-demo"):
            wrong.run(stage.ctx, None)
        assert stage.runner.commands == []

    def test_a_controller_that_does_nothing_is_a_failure(self, stage: Stage):
        stage.world.set_image = lambda _color: None  # type: ignore[method-assign]
        with pytest.raises(ExpectationError):
            SET_IMAGE.run(stage.ctx, None)
        [fact] = stage.unmet
        assert fact.step == "set-image"
        assert fact.expected.startswith(f"{IMAGE}:yellow")
        assert "revision 1 " in fact.seen
        assert stage.runner.commands == [f"set image rollouts-demo rollouts-demo={IMAGE}:yellow"]

    def test_one_image_is_set_whichever_is_stable(self, stage: Stage):
        set_image(image=f"{IMAGE}:green").run(stage.ctx, None)
        assert stage.runner.commands == [f"set image rollouts-demo rollouts-demo={IMAGE}:green"]
        assert stage.facts[-1].seen == f"revision 2 ({IMAGE}:green)"

    def test_one_image_replaces_another_in_the_middle_of_an_update(self, paused: Stage):
        set_image(image=f"{IMAGE}:green").run(paused.ctx, None)
        assert f"from {IMAGE}:blue" in paused.facts[-1].text
        assert paused.facts[-1].seen == f"revision 3 ({IMAGE}:green)"

    def test_an_image_goes_by_the_name_that_the_cluster_has_for_it(self, stage: Stage):
        stage.provider.images.reference = lambda reference: {"pushed:green": f"{IMAGE}:green"}[reference]
        set_image(image="pushed:green").run(stage.ctx, None)
        assert stage.facts[-1].seen == f"revision 2 ({IMAGE}:green)"

    def test_back_sets_the_stable_image_again(self, paused: Stage):
        paused.world.aborted()
        set_image(back=True).run(paused.ctx, None)
        assert paused.runner.commands == [f"set image rollouts-demo rollouts-demo={IMAGE}:blue"]
        (fact,) = paused.facts
        assert (fact.text, fact.seen) == ("set image back", f"revision 1 ({IMAGE}:blue)")
        HEALTHY.run(paused.ctx, None)

    def test_a_controller_that_never_goes_back_is_a_failure(self, paused: Stage):
        paused.world.set_image = lambda _color: None  # type: ignore[method-assign]
        with pytest.raises(ExpectationError):
            set_image(back=True).run(paused.ctx, None)
        [fact] = paused.unmet
        assert (fact.text, fact.seen) == ("set image back", f"revision 2 ({IMAGE}:yellow)")

    @pytest.mark.parametrize("which", [{"back": True}, {"image": f"{IMAGE}:blue"}])
    def test_without_an_update_there_is_nothing_to_set_back(self, stage: Stage, which: dict[str, object]):
        with pytest.raises(ExpectationError, match=f"already asks for {IMAGE}:blue") as raised:
            set_image(**which).run(stage.ctx, None)
        assert "no update has begun" in str(raised.value)
        assert stage.runner.commands == []

    def test_an_image_that_is_already_rolled_out_begins_nothing(self, paused: Stage):
        with pytest.raises(ExpectationError, match=f"already asks for {IMAGE}:yellow") as raised:
            SET_IMAGE.run(paused.ctx, None)
        assert "its update has begun before" in str(raised.value)
        assert paused.runner.commands == []

    @pytest.mark.parametrize("images", [[], ["a"], ["a", "a"]])
    def test_the_list_needs_two_different_images(self, images: list[str]):
        with pytest.raises(ValidationError):
            set_image(images=images)

    @pytest.mark.parametrize("which", [{}, {"image": ""}, {"image": "a", "images": ["a", "b"]}, {"back": False}])
    def test_exactly_one_option_says_which_image(self, which: dict[str, object]):
        with pytest.raises(ValidationError):
            set_image(**which)


class HelperCluster(WorldCluster):
    """The world's API, whose Rollout has a helper among its init containers, of the same release as the rest."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.world)
        self.stable = {"rollouts-demo": f"{IMAGE}:blue", "helper": f"{IMAGE}:blue", "proxy": "proxy:1"}
        self.wanted = dict(self.stable)
        self.workload: str | None = None
        self.conflicts = 0

    def _held(self, api_version: str, kind: str) -> dict[Key, dict[str, Any]]:
        if kind == "Deployment":
            meta = {"name": "web", "namespace": "default", "resourceVersion": "7"}
            spec = {"template": self._template(self.wanted)}
            obj = {"apiVersion": api_version, "kind": kind, "metadata": meta, "spec": spec}
            return {self._key(api_version, kind, "web", "default"): obj}
        held = super()._held(api_version, kind)
        for one in held.values():
            if kind == "ReplicaSet":
                number = int(one["metadata"]["annotations"]["rollout.argoproj.io/revision"])
                one["spec"]["template"] = self._template(self.stable if number == 1 else self.wanted)
            elif kind == "Rollout":
                one["spec"]["template"] = {} if self.workload else self._template(self.wanted)
                if self.workload:
                    one["spec"]["workloadRef"] = {"apiVersion": "apps/v1", "kind": "Deployment", "name": self.workload}
        return held

    def patch(
        self, api_version: str, kind: str, name: str, body: dict[str, Any], namespace: str | None = None
    ) -> dict[str, Any]:
        assert namespace == "default"
        self.conflicts -= 1
        if self.conflicts >= 0:
            raise ApiError("it has been modified", where=name, code=409)
        self.world.patches.append((kind, name, body))
        spec = body["spec"]["template"]["spec"]
        self.wanted = {one["name"]: one["image"] for one in spec["containers"] + spec["initContainers"]}
        self.world.set_image("blue" if self.wanted == self.stable else "yellow")
        return self._held(api_version, kind)[self._key(api_version, kind, name, namespace)]

    def _template(self, images: dict[str, str]) -> dict[str, Any]:
        containers = [{"name": name, "image": image, "env": [name]} for name, image in images.items()]
        return {"spec": {"containers": containers[:1], "initContainers": containers[1:]}}


class TestSetImagesOfSeveralContainers:
    @pytest.fixture(autouse=True)
    def cluster(self, stage: Stage) -> HelperCluster:
        cluster = HelperCluster(stage)
        stage.provider.access.cluster = lambda _ctx: cluster  # type: ignore[assignment,method-assign,return-value]
        return cluster

    def set(self, stage: Stage, **options: Any) -> None:
        step(SetImage, rollout="rollouts-demo", **options).run(stage.ctx, None)

    def test_an_init_container_is_one_as_any_other(self, stage: Stage, cluster: HelperCluster):
        def known(argv: Any, **_: Any) -> Result:
            assert f"helper={IMAGE}:yellow" in argv
            cluster.wanted["helper"] = f"{IMAGE}:yellow"
            stage.world.set_image("yellow")
            return Result("updated", "", 0, 0.1)

        stage.runner.run = known  # type: ignore[method-assign]
        self.set(stage, container="helper", images=IMAGES)
        assert stage.facts[-1].holds
        assert not stage.world.patches

    def test_several_that_get_the_same_are_one_update(self, stage: Stage):
        self.set(stage, container=["rollouts-demo", "helper"], images=IMAGES)
        [(kind, name, body)] = stage.world.patches
        assert (kind, name) == ("Rollout", "rollouts-demo")
        assert body["spec"]["template"]["spec"] == {
            "containers": [{"name": "rollouts-demo", "image": f"{IMAGE}:yellow", "env": ["rollouts-demo"]}],
            "initContainers": [
                {"name": "helper", "image": f"{IMAGE}:yellow", "env": ["helper"]},
                {"name": "proxy", "image": "proxy:1", "env": ["proxy"]},
            ],
        }
        assert stage.facts[-1].seen == f"revision 2 ({IMAGE}:yellow, proxy:1)"
        assert stage.runner.commands == []

    def test_each_may_have_its_own(self, stage: Stage, cluster: HelperCluster):
        self.set(stage, container="rollouts-demo", images=IMAGES, also={"proxy": {"image": "proxy:2"}})
        assert cluster.wanted == {"rollouts-demo": f"{IMAGE}:yellow", "helper": f"{IMAGE}:blue", "proxy": "proxy:2"}

    def test_all_of_them_go_back_together(self, stage: Stage):
        self.set(stage, container=["rollouts-demo", "helper"], images=IMAGES)
        self.set(stage, container=["rollouts-demo", "helper"], back=True)
        assert stage.facts[-1].text == "set image back"
        assert stage.facts[-1].seen == f"revision 1 ({IMAGE}:blue, proxy:1)"

    def test_the_template_of_a_deployment_is_set_there(self, stage: Stage, cluster: HelperCluster):
        cluster.workload = "web"
        self.set(stage, container=["rollouts-demo", "helper"], images=IMAGES)
        [(kind, name, body)] = stage.world.patches
        assert (kind, name, body["metadata"]) == ("Deployment", "web", {"resourceVersion": "7"})

    def test_what_the_deployment_asks_for_already_begins_nothing(self, stage: Stage, cluster: HelperCluster):
        cluster.workload = "web"
        with pytest.raises(ExpectationError, match="already asks for"):
            self.set(stage, container=["rollouts-demo", "helper"], image=f"{IMAGE}:blue")

    def test_one_that_somebody_else_writes_meanwhile_is_read_again(self, stage: Stage, cluster: HelperCluster):
        cluster.conflicts = 4
        self.set(stage, container=["rollouts-demo", "helper"], images=IMAGES)
        assert len(stage.world.patches) == 1

    def test_one_that_never_stands_still_is_given_up(self, stage: Stage, cluster: HelperCluster):
        cluster.conflicts = 5
        with pytest.raises(ApiError):
            self.set(stage, container=["rollouts-demo", "helper"], images=IMAGES)

    def test_one_that_is_not_there_is_told_with_the_init_containers(self, stage: Stage):
        with pytest.raises(ExpectationError, match="one of: rollouts-demo, helper, proxy"):
            self.set(stage, container=["rollouts-demo", "halper"], images=IMAGES)

    def test_a_reset_sets_all_of_them_back_at_once(self, stage: Stage, cluster: HelperCluster):
        self.set(stage, container=["rollouts-demo", "helper"], images=IMAGES)
        while stage.world.pending:
            stage.world.pending.popleft()()
        reset(stage.ctx, [HEALTHY])
        assert stage.runner.commands == ["abort rollouts-demo"]
        assert cluster.wanted == cluster.stable

    @pytest.mark.parametrize("also", [{"helper": {}}, {"helper": {"image": "a", "back": True}}])
    def test_each_needs_exactly_one_option(self, also: dict[str, object]):
        with pytest.raises(ValidationError):
            set_image(image="a", also=also)


class TestExpectRollout:
    def test_paused_at_the_first_step_is_one_fact_a_line(self, stage: Stage):
        SET_IMAGE.run(stage.ctx, None)
        PAUSED.run(stage.ctx, None)
        assert "status: Paused (CanaryPauseStep) | Paused (CanaryPauseStep) | True" in stage.said
        assert "step: 1/2 | 1/2 | True" in stage.said
        assert "SetWeight: 5 | 5 | True" in stage.said
        assert "ActualWeight: 5 | 5 | True" in stage.said
        assert f"canary: revision 2 ({IMAGE}:yellow) | revision 2 ({IMAGE}:yellow) | True" in stage.said
        assert f"stable: revision 1 ({IMAGE}:blue) | revision 1 ({IMAGE}:blue) | True" in stage.said
        assert "replicas current: 2 | 2 | True" in stage.said
        assert "pods of the canary revision: ready 2/2" in stage.said

    def test_after_the_promotion_the_latest_is_stable_and_the_old_one_scaled_down(self, paused: Stage):
        PROMOTE.run(paused.ctx, None)
        weights = {"set_weight": 100, "actual_weight": 100}
        expect(status="Healthy", step="2/2", **weights, canary="none", stable="latest").run(paused.ctx, None)
        assert f"stable: revision 2 ({IMAGE}:yellow) | revision 2 ({IMAGE}:yellow) | True" in paused.said
        expect(status="Healthy", old_scaled_down=True, replicas={"current": 1}).run(paused.ctx, None)
        assert f"old revisions: ScaledDown | revision 1 ({IMAGE}:blue) ScaledDown | True" in paused.said

    def test_all_facts_are_reported_even_if_the_first_fails(self, stage: Stage):
        with pytest.raises(ExpectationError):
            PAUSED.run(stage.ctx, None)
        first = stage.facts[0]
        assert (first.text, first.expected, first.seen) == ("status", "Paused (CanaryPauseStep)", "Healthy")
        assert len(stage.facts) == 12

    def test_during_an_update_no_revision_passes_as_the_latest_stable(self, paused: Stage):
        with pytest.raises(ExpectationError):
            expect(status="Paused", stable="latest").run(paused.ctx, None)
        assert [(fact.text, fact.seen) for fact in paused.unmet] == [("stable", f"revision 1 ({IMAGE}:blue)")]

    def test_nor_before_the_new_revision_is_there(self, stage: Stage):
        stage.world.current = "yellow"
        with pytest.raises(ExpectationError):
            expect(status="Healthy", stable="latest").run(stage.ctx, None)
        assert [(fact.text, fact.seen) for fact in stage.unmet] == [("stable", f"revision 1 ({IMAGE}:blue)")]

    def test_degraded_is_not_waited_for(self, paused: Stage):
        paused.world.aborted()
        paused.world.pending.append(lambda: pytest.fail("waited on"))
        with pytest.raises(ExpectationError) as raised:
            expect(status="Healthy").run(paused.ctx, None)
        assert "aborted" in str(raised.value)
        [fact] = paused.unmet
        assert (fact.text, fact.seen.split()[0]) == ("status", "Degraded")

    def test_degraded_may_be_what_is_expected(self, paused: Stage):
        paused.world.aborted()
        expect(status="Degraded", set_weight=0).run(paused.ctx, None)

    def test_a_pod_without_a_sidecar_points_to_the_label(self, stage: Stage):
        stage.world.sidecar = False
        with pytest.raises(ExpectationError, match="istio-injection"):
            expect(status="Healthy", pods="2/2").run(stage.ctx, None)

    def test_while_it_waits_it_says_for_what(self, stage: Stage):
        SET_IMAGE.run(stage.ctx, None)
        PAUSED.run(stage.ctx, None)
        said = [event.message for event in stage.events if event.event == "stage-progress"]  # type: ignore[attr-defined]
        assert any("expected Paused (CanaryPauseStep), saw Progressing" in message for message in said)

    @pytest.mark.parametrize(
        "wrong", [{"step": "one"}, {"status": "Fine"}, {"set_weight": 101}, {"weight": 5}, {"replicas": {"up": 1}}]
    )
    def test_what_makes_no_sense_is_refused(self, wrong: dict[str, object]):
        with pytest.raises(ValidationError):
            expect(**{"status": "Healthy", **wrong})


class TestPromote:
    def test_a_paused_rollout_is_promoted_by_the_plugin(self, paused: Stage):
        PROMOTE.run(paused.ctx, None)
        assert paused.runner.commands == ["promote rollouts-demo"]

    def test_one_at_rest_has_nothing_to_promote(self, stage: Stage):
        with pytest.raises(ExpectationError):
            PROMOTE.run(stage.ctx, None)
        [fact] = stage.unmet
        assert (fact.step, fact.seen.split(",")[0]) == ("promote", "Healthy")
        assert stage.runner.commands == []
