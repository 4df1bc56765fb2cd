"""`invoke watch` as a whole, on a cluster in memory."""

from __future__ import annotations

import json
import threading

import pytest
from support.fake_cluster import FakeCluster
from support.fake_provider import FakeProvider
from support.fake_time import FakeTime
from support.runs import context_of
from watch_world import at_rest, paused

from canarylab.commands import run as runs
from canarylab.commands.run import Options
from canarylab.commands.watch import watch
from canarylab.errors import EXIT_BUG, EXIT_DONE, EXIT_FAILED, EXIT_USAGE
from canarylab.kube.client import ApiError

pytestmark = pytest.mark.timeout(30)

ROLLOUT = ("argoproj.io/v1alpha1", "Rollout")
KINDS = [ROLLOUT, ("argoproj.io/v1alpha1", "AnalysisRun"), ("networking.istio.io/v1", "VirtualService")]


class WatchedCluster(FakeCluster):
    """One whose `wait` ends with Ctrl-C once nothing more is to happen."""

    def wait(self, watches, check, *, deadline, cancel):
        super().wait(watches, check, deadline=deadline, cancel=cancel)
        cancel.set()
        cancel.check()

    def hold(self, snapshot):
        """Have the API say what a snapshot has."""
        self.objects.clear()
        self.put(snapshot.rollout)
        for kind, found in (("ReplicaSet", snapshot.replica_sets), ("Pod", snapshot.pods)):
            for one in found:
                version = "v1" if kind == "Pod" else "apps/v1"
                meta = {**one["metadata"], "namespace": "shop"}
                meta["labels"] = {**meta.get("labels", {}), "app": "web"}
                self.put({**one, "apiVersion": version, "kind": kind, "metadata": meta})
        for route in snapshot.routes:
            self.put(route)


@pytest.fixture
def cluster(monkeypatch):
    made = WatchedCluster(kinds=KINDS)
    provider = FakeProvider(made)

    def context(_options, bus, cancel):
        return context_of(provider=provider, emit=bus, cancel=cancel)

    monkeypatch.setattr(runs, "_context", context)
    return made


def named(name, namespace):
    return {"apiVersion": ROLLOUT[0], "kind": ROLLOUT[1], "metadata": {"name": name, "namespace": namespace}}


def test_it_shows_every_change_until_ctrl_c_and_ends_well(cluster, capsys):
    cluster.hold(at_rest())
    cluster.pending.append(lambda: cluster.hold(paused()))
    assert watch(Options(), "web", "shop") == EXIT_DONE
    out = capsys.readouterr().out
    assert "shop/web: Healthy" in out
    assert "Paused (CanaryPauseStep)" in out
    assert "weight 25 to the canary" in out


def test_it_watches_the_rollout_its_parts_and_its_routes(cluster):
    cluster.hold(at_rest())
    watch(Options(), "web", "shop")
    seen = {(each.kind, each.namespace) for each in cluster.watched}
    assert seen == {
        ("Rollout", "shop"),
        ("ReplicaSet", "shop"),
        ("Pod", "shop"),
        ("AnalysisRun", "shop"),
        ("VirtualService", "shop"),
    }


def test_it_writes_nothing_to_the_cluster(cluster):
    cluster.hold(paused())
    watch(Options(), "web", "shop")
    assert cluster.writes == []
    assert cluster.dry_runs == []


def test_json_has_a_document_for_each_state(cluster, capsys):
    cluster.hold(at_rest())
    cluster.pending.append(lambda: cluster.hold(paused()))
    assert watch(Options(output="json"), "web", "shop") == EXIT_DONE
    phases = [json.loads(line)["phase"] for line in capsys.readouterr().out.splitlines()]
    assert (phases[0], phases[-1]) == ("Healthy", "Paused")


def test_what_stands_still_is_told_with_its_cause_and_what_to_do(cluster, capsys, monkeypatch):
    monkeypatch.setattr(runs, "Cancel", lambda: FakeTime(tick=3))
    stuck = paused(pauseConditions=[])
    for pod in stuck.pods:
        pod["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    cluster.hold(stuck)
    about = {"involvedObject": {"kind": "Rollout", "name": "web"}, "type": "Warning", "reason": "TrafficRoutingError"}
    late = {"lastTimestamp": "2027-01-15T08:00:00Z", "message": "the server refused the weight"}
    meta = {"name": "event", "namespace": "shop"}
    cluster.put({"apiVersion": "v1", "kind": "Event", "metadata": meta, **about, **late})
    watch(Options(), "web", "shop")
    out = " ".join(capsys.readouterr().out.split())
    assert "it stands still: Argo's controller says of the Rollout: TrafficRoutingError: the server refused" in out
    assert "next: mend what it names" in out


def test_analyses_are_read_where_the_status_names_them(cluster, capsys):
    cluster.hold(paused(canary={"currentStepAnalysisRunStatus": {"name": "web-2-1", "status": "Running"}}))
    meta = {"name": "web-2-1", "namespace": "shop"}
    cluster.put({"apiVersion": ROLLOUT[0], "kind": "AnalysisRun", "metadata": meta, "status": {"phase": "Running"}})
    watch(Options(), "web", "shop")
    assert "step analysis Running: nothing measured yet" in capsys.readouterr().out


# -- what may not be there --------------------------------------------------------------------------------------------


def test_a_rollout_that_is_not_there_is_reported_with_the_one_that_was_meant_and_all_others(cluster, capsys):
    cluster.put(named("web", "shop"))
    cluster.put(named("search", "other"))
    assert watch(Options(), "wbe", "shop") == EXIT_USAGE
    out = capsys.readouterr().out
    assert "there is no Rollout wbe in namespace shop" in out
    assert "did you mean shop/web? known: other/search, shop/web" in out


def test_a_rollout_of_another_namespace_is_reported_with_the_command(cluster, capsys):
    cluster.put(named("web", "shop"))
    assert watch(Options(), "web", "default") == EXIT_USAGE
    assert "invoke watch web --namespace shop" in capsys.readouterr().out


@pytest.mark.usefixtures("cluster")
def test_a_cluster_without_any_rollout_is_reported(capsys):
    assert watch(Options(), "web", "shop") == EXIT_USAGE
    assert "the cluster has none at all" in capsys.readouterr().out


def test_who_may_not_ask_for_all_namespaces_gets_those_of_this_one(cluster, capsys):
    cluster.put(named("web", "shop"))
    cluster.put(named("web", "other"))
    cluster.refused["list Rollout"] = ApiError("rollouts is forbidden", 403, where="GET /")
    assert watch(Options(), "wbe", "shop") == EXIT_USAGE
    out = capsys.readouterr().out
    assert "known: shop/web" in out
    assert "other" not in out


def test_a_cluster_without_argo_is_reported(cluster, capsys):
    cluster.kinds -= {ROLLOUT}
    assert watch(Options(), "web", "shop") == EXIT_FAILED
    out = capsys.readouterr().out
    assert "Argo Rollouts isn't installed" in out
    assert "`invoke up` installs it" in out


def test_no_cluster_is_reported(monkeypatch, capsys):
    monkeypatch.setattr(
        runs, "_context", lambda _o, bus, cancel: context_of(provider=FakeProvider(), emit=bus, cancel=cancel)
    )
    assert watch(Options(), "web", "shop") == EXIT_FAILED
    assert "no cluster" in capsys.readouterr().out


def test_an_output_that_does_not_exist_is_wrong_use():
    assert watch(Options(output="xml"), "web", "shop") == EXIT_USAGE


# -- what may happen meanwhile ----------------------------------------------------------------------------------------


def test_a_rollout_that_is_deleted_ends_it(cluster, capsys):
    cluster.hold(at_rest())
    cluster.pending.append(cluster.objects.clear)
    assert watch(Options(), "web", "shop") == EXIT_FAILED
    assert "Rollout shop/web was deleted" in capsys.readouterr().out


def test_an_api_server_that_goes_away_is_reported_and_waited_for(cluster, capsys):
    cluster.hold(at_rest())
    away = ApiError("no answer from the cluster: Connection refused", None, where="GET /")
    cluster.pending.append(lambda: cluster.refused.update({"get Rollout web": away}))
    cluster.pending.append(lambda: None)
    assert watch(Options(), "web", "shop") == EXIT_DONE
    out = capsys.readouterr().out
    assert out.count("no answer since") == 1
    assert ": Connection refused" in out
    assert "the API server answers again" in out


def test_an_api_server_that_refuses_ends_it(cluster, capsys):
    cluster.hold(at_rest())
    refusal = ApiError("rollouts is forbidden", 403, where="GET /")
    cluster.pending.append(lambda: cluster.refused.update({"get Rollout web": refusal}))
    assert watch(Options(), "web", "shop") == EXIT_FAILED
    assert "forbidden" in capsys.readouterr().out


def test_a_bug_in_the_counting_is_reported_as_one(cluster, monkeypatch, capsys):
    def broken(_self, _now):
        raise ZeroDivisionError

    monkeypatch.setattr("canarylab.watch.gateways.Gateways.read", broken)
    cluster.hold(at_rest())
    counting = (thread for thread in threading.enumerate() if thread.name == "traffic of shop/web")
    cluster.pending.append(lambda: [thread.join() for thread in counting])
    assert watch(Options(), "web", "shop") == EXIT_BUG
    assert "this is a bug: ZeroDivisionError" in capsys.readouterr().out
