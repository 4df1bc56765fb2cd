"""What a controller deletes of what was applied is told as a loss, and nobody is advised to ignore it."""

from __future__ import annotations

import pytest
from support.fake_cluster import FakeCluster
from support.runs import context_of

from canarylab.engine import bring_up
from canarylab.kube.lost_entries import lost
from canarylab.stages.kinds.manifests import ManifestsOptions, ManifestsStage

ISTIO = ("networking.istio.io/v1", "VirtualService")
ROUTES = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: app}
spec:
  http:
  - name: main
    route:
    - {destination: {host: app-stable}, weight: 90}
    - {destination: {host: app-canary}, weight: 0}
    - {destination: {host: legacy}, weight: 10}
"""


class Rewritten(ManifestsStage):
    """What `rewrite` does to the routes is done by a controller, as soon as they are there."""

    def health(self, ctx):
        live = ctx.cluster.get(*ISTIO, "app", "shop")
        self.rewrite(live["spec"]["http"][0]["route"])
        by = {"manager": "rollouts-controller", "time": "2026-01-01T10:00:00Z"}
        live["metadata"]["managedFields"] = [{"manager": self.manager, "time": "2026-01-01T11:00:00Z"}, by]
        ctx.cluster.put(live)
        return super().health(ctx)

    def rewrite(self, routes):
        del routes[2]


class Weighed(Rewritten):
    def rewrite(self, routes):
        routes[0]["weight"] = 80


def ended(stage: type[Rewritten], base) -> str:
    (base / "app.yaml").write_text(ROUTES)
    one = stage("app", ManifestsOptions(path="app.yaml", namespace="shop"))
    ctx = context_of(one, cluster=FakeCluster(kinds=[ISTIO]), base=base)
    return bring_up.up(ctx, [one]).outcomes["app"].reason


def test_a_destination_that_a_controller_deletes_is_a_loss(tmp_path):
    said = ended(Rewritten, tmp_path)
    assert "not idempotent" in said
    assert "spec.http[0].route has 2 of 3 entries (rollouts-controller wrote it at 2026-01-01T10:00:00Z)" in said
    assert "take what is deleted out of the manifest" in said
    assert "ignore-differences" not in said


def test_a_value_that_a_controller_sets_may_be_left_to_it(tmp_path):
    said = ended(Weighed, tmp_path)
    assert "name it in ignore-differences" in said
    assert "entries" not in said


@pytest.mark.parametrize(
    ("live", "words"),
    [
        ({"a": [1, 2]}, ""),
        ({"a": [2, 1, 3]}, ""),
        ({"b": [1]}, ""),
        ({"a": [1]}, "a has 1 of 2 entries"),
        ({"a": []}, "a has 0 of 2 entries"),
    ],
)
def test_only_a_list_that_is_shorter_is_a_loss(live, words):
    assert lost({"a": [1, 2]}, live, "us") == words
