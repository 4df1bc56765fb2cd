"""States of a stage's workloads that no waiting can mend: `up` ends at once, with the remedy."""

from __future__ import annotations

from typing import Any

import pytest
from support.fake_cluster import FakeCluster
from support.istio_webhooks import webhooks
from support.runs import context_of

from canarylab.commands.status import look_at
from canarylab.engine import bring_up
from canarylab.errors import StageError
from canarylab.kube.objects import OWNER_LABEL
from canarylab.rollouts.causes import replaced_authority
from canarylab.stages.kinds.manifests import ManifestsOptions, ManifestsStage
from canarylab.stages.kinds.namespace import NamespaceOptions, NamespaceStage

ROLLOUT = ("argoproj.io/v1alpha1", "Rollout")
MANIFEST = """\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: app}
spec:
  selector: {matchLabels: {app: app}}
  strategy: {canary: {}}
  template: {metadata: {labels: {app: app}}}
"""
INVALID = 'InvalidSpec: The Rollout "app" is invalid: '
ABORTED = 'RolloutAborted: Rollout aborted update to revision 2: Metric "rate" assessed Failed'


class World:
    """A stage that applies one Rollout into namespace `shop`, and what its controller says of it."""

    def __init__(self, base):
        (base / "app.yaml").write_text(MANIFEST)
        self.base = base
        self.cluster = FakeCluster(kinds=[ROLLOUT])
        self.stage = ManifestsStage("app", ManifestsOptions(path="app.yaml", namespace="shop"))
        self.others = []

    @property
    def ctx(self):
        whole = context_of(self.stage, *self.others, cluster=self.cluster, base=self.base)
        return whole.for_stage("app", float("inf"))

    def says(self, phase, message="", observed="1"):
        status = {"phase": phase, "message": message, "observedGeneration": observed}
        (live,) = self.stage.objects(self.ctx)
        meta = {**live["metadata"], "generation": 1, "labels": {OWNER_LABEL: "unit-test"}}
        self.cluster.put({**live, "metadata": meta, "status": status})

    def health(self):
        return self.stage.health(self.ctx)


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


class TestDegraded:
    def test_a_spec_that_argo_refuses_is_reported_in_argos_words(self, world):
        world.says("Degraded", f"{INVALID}spec.template.spec.containers[0].name: Required value")
        with pytest.raises(StageError) as raised:
            world.health()
        said = str(raised.value)
        assert said.startswith(
            "stage app: Argo refuses Rollout shop/app: spec.template.spec.containers[0].name: Required"
        )
        assert "`invoke plan`" in said

    @pytest.mark.parametrize(
        "field",
        [
            "spec.strategy.canary.canaryService: Invalid value",
            "spec.strategy.blueGreen.activeService: Invalid value",
            "spec.strategy.canary.trafficRouting.istio.virtualService.name: Invalid value",
        ],
    )
    def test_what_it_refers_to_may_still_come(self, world, field):
        world.says("Degraded", INVALID + field)
        assert "is Degraded: InvalidSpec" in world.health()

    def test_an_aborted_update_is_not_waited_for_and_reset_is_the_way_out(self, world):
        world.says("Degraded", ABORTED)
        with pytest.raises(StageError, match="in the middle of an update that was aborted") as raised:
            world.health()
        assert 'Metric "rate" assessed Failed' in str(raised.value.why)
        assert "`invoke demo --reset`" in str(raised.value.remedy)

    def test_what_the_controller_said_of_an_earlier_spec_does_not_count(self, world):
        world.says("Degraded", f"{INVALID}spec.selector: Required value", observed="0")
        assert "hasn't acted on its newest spec" in world.health()

    def test_lack_of_progress_may_pass(self, world):
        world.says("Degraded", 'ProgressDeadlineExceeded: ReplicaSet "app-1" has timed out progressing.')
        assert "ProgressDeadlineExceeded" in world.health()

    def test_status_shows_it_as_a_reason_like_any_other(self, world):
        world.says("Degraded", ABORTED)
        (seen,) = look_at(world.ctx, [world.stage])
        assert (seen["state"], seen["healthy"]) == ("present", False)
        assert "aborted" in seen["reason"]

    def test_up_ends_at_once(self, world):
        world.cluster.pending.append(lambda: pytest.fail("waited on"))

        says = f"{INVALID}spec.replicas: must be greater than or equal to 0"
        world.stage.apply = lambda *_: world.says("Degraded", says)
        run = bring_up.up(world.ctx, [world.stage])
        assert "Argo refuses" in run.outcomes["app"].reason


class TestUninjected:
    @pytest.fixture
    def labelled(self, world):
        """Healthy, one pod, in a namespace that a stage labels."""
        options = NamespaceOptions(namespace="shop", labels={"istio-injection": "enabled"})
        world.others = [NamespaceStage("injection", options)]
        world.says("Healthy")
        world.cluster.put_pod("shop", {"app": "app"})
        pod = world.cluster.objects["v1", "Pod", "shop", "shop-pod"]
        pod["spec"] = {}
        pod["metadata"]["creationTimestamp"] = "2026-01-01T10:00:00Z"
        fields: dict[str, Any] = {"f:metadata": {"f:labels": {"f:istio-injection": {}}}}
        meta = {"name": "shop", "managedFields": [{"time": "2026-01-01T10:00:05Z", "fieldsV1": fields}]}
        world.cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
        return world, pod["metadata"]

    def test_a_pod_that_began_before_the_label_is_reported_with_both_times(self, labelled):
        with pytest.raises(StageError) as raised:
            labelled[0].health()
        said = str(raised.value)
        assert "Pod shop-pod of Rollout app has no sidecar, and stage injection asks for one" in said
        assert "it began at 2026-01-01T10:00:00Z, and its namespace got the label istio-injection only at" in said
        assert "`kubectl argo rollouts restart app --context unit-test --namespace shop`" in said

    @pytest.mark.parametrize(
        ("labels", "there", "asked", "known"),
        [
            ({"istio.io/rev": "1-30"}, [webhooks()], "istio.io/rev=1-30", "default"),
            ({"istio-injection": "enabled"}, [webhooks("1-31")], "istio-injection=enabled", "1-31"),
        ],
    )
    def test_a_revision_that_is_not_there_is_told_with_those_that_are(self, labelled, labels, there, asked, known):
        world, _ = labelled
        world.others = [NamespaceStage("injection", NamespaceOptions(namespace="shop", labels=labels))]
        world.cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": labels}})
        world.cluster.kinds.add(("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"))
        for one in there:
            world.cluster.put(one)
        with pytest.raises(StageError) as raised:
            world.health()
        assert raised.value.why == (f"no webhook of Istio is for {asked}, which namespace shop has; there is: {known}")
        assert f"write `istio.io/rev: {known}` among the labels of namespace shop" in str(raised.value.remedy)
        assert "restart" not in str(raised.value)

    def test_a_cluster_without_any_webhook_of_istio_says_so(self, labelled):
        world, _ = labelled
        world.cluster.kinds.add(("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"))
        with pytest.raises(StageError, match="the cluster has no webhook of Istio that gives sidecars"):
            world.health()

    def test_where_a_webhook_is_for_it_the_pod_was_too_early(self, labelled):
        world, _ = labelled
        world.cluster.kinds.add(("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"))
        world.cluster.put(webhooks())
        world.cluster.objects["v1", "Namespace", "", "shop"]["metadata"]["labels"] = {"istio-injection": "enabled"}
        with pytest.raises(StageError, match="its namespace got the label istio-injection only at"):
            world.health()

    def test_one_that_began_later_missed_istiod(self, labelled):
        world, meta = labelled
        meta["creationTimestamp"] = "2026-01-01T11:00:00Z"
        with pytest.raises(StageError, match="istiod didn't answer"):
            world.health()

    @pytest.mark.parametrize(
        "given",
        [
            {"annotations": {"sidecar.istio.io/status": "{}"}},
            {"labels": {"app": "app", "sidecar.istio.io/inject": "false"}},
            {"annotations": {"sidecar.istio.io/inject": "false"}},
            {"deletionTimestamp": "2026-01-01T12:00:00Z"},
        ],
    )
    def test_pods_with_one_or_that_want_none_or_are_leaving_pass(self, labelled, given):
        world, meta = labelled
        meta.update(given)
        if "deletionTimestamp" in given:
            world.cluster.objects["v1", "Pod", "shop", "other"] = {
                "metadata": {"name": "other", "labels": {"app": "app"}, "annotations": {"sidecar.istio.io/status": ""}},
                "spec": {},
                "status": {"conditions": [{"type": "Ready", "status": "True"}]},
            }
        assert world.health() is None

    def test_a_namespace_that_no_stage_labels_is_left_to_others(self, labelled):
        labelled[0].others = []
        assert labelled[0].health() is None


class TestAnEarlierAuthority:
    """The proxy of the Rollout's pod trusts another root than istiod's."""

    @pytest.fixture
    def old(self, world, monkeypatch):
        world.says("Healthy")
        world.cluster.put_pod("shop", {"app": "app"})
        monkeypatch.setattr(replaced_authority, "outdated", lambda _, pods: pods)
        return world

    def test_status_says_it_and_up_has_argo_make_the_pods_anew(self, old):
        (seen,) = look_at(old.ctx, [old.stage])
        assert seen["drifted"]
        assert "its pods still have certificates of the authority before istiod's present one" in seen["reason"]
        old.stage.apply(old.ctx, old.stage.observe(old.ctx))
        assert old.cluster.get(*ROLLOUT, "app", "shop")["spec"]["restartAt"]

    def test_pods_of_the_present_one_are_left(self, old, monkeypatch):
        monkeypatch.setattr(replaced_authority, "outdated", lambda _cluster, _pods: [])
        assert not any(change.action == "repair" for change in old.stage.changes(old.stage.observe(old.ctx)))
