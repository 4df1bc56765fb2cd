from __future__ import annotations

import itertools
import threading
import time

import pytest
from support.api_server import CUT, END, ApiServer, status

from canarylab.cancel import Cancel
from canarylab.errors import CancelledError, NotYetObservableError
from canarylab.kube.client import ApiError, Cluster, UnknownKindError
from canarylab.kube.watch import Watch

pytestmark = pytest.mark.timeout(30)

PODS = Watch("v1", "Pod", "default")
SECONDS = 10
POD = {"metadata": {"name": "p"}}


@pytest.fixture
def api():
    with ApiServer() as server:
        yield server
        server.watched.put(END)


@pytest.fixture
def cluster(api, tmp_path):
    connected = Cluster(api.kubeconfig(tmp_path), "unit-test")
    yield connected
    connected.close()


def soon():
    return time.monotonic() + SECONDS


# -- connecting -------------------------------------------------------------------------------------------------------


def test_the_context_is_the_one_that_is_named_and_never_the_current_one(cluster, api):
    api.replies["GET /readyz"] = (200, "ok")
    assert cluster.ready() is None


def test_a_context_that_is_not_there_is_a_cluster_that_is_not_there(api, tmp_path):
    config = api.kubeconfig(tmp_path)
    with pytest.raises(NotYetObservableError, match="'elsewhere'") as caught:
        Cluster(config, "elsewhere")
    assert caught.value.where == str(config)


def test_a_kubeconfig_that_is_not_there_is_a_cluster_that_is_not_there(tmp_path):
    with pytest.raises(NotYetObservableError) as caught:
        Cluster(tmp_path / "none", "unit-test")
    assert caught.value.where == str(tmp_path / "none")


def test_proxies_of_the_environment_are_not_asked(api, tmp_path, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    api.replies["GET /readyz"] = (200, "ok")
    assert Cluster(api.kubeconfig(tmp_path), "unit-test").ready() is None


def test_an_api_server_that_is_not_ready_says_what_it_waits_for(cluster, api):
    api.replies["GET /readyz"] = (500, "[-]etcd failed")
    assert cluster.ready() == "the API server isn't ready: [-]etcd failed"


@pytest.mark.parametrize(
    ("code", "said", "words"),
    [
        (503, "", "the API server isn't ready: it answers GET /readyz with 503 Service Unavailable, and no word more"),
        (500, "  \n", "the API server isn't ready: it answers GET /readyz with 500 Internal Server Error, and no"),
        (401, "", "the API server doesn't let this user ask whether it is ready: 401 Unauthorized"),
        (403, "", "the API server doesn't let this user ask whether it is ready: 403 Forbidden"),
    ],
)
def test_an_api_server_that_says_nothing_is_told_by_its_status(cluster, api, code, said, words):
    api.replies["GET /readyz"] = (code, said)
    assert (cluster.ready() or "").startswith(words)


def test_an_api_server_that_is_not_there_is_not_ready(tmp_path):
    with ApiServer() as api:
        cluster = Cluster(api.kubeconfig(tmp_path), "unit-test")
    assert (cluster.ready() or "").startswith("the API server doesn't answer: ")


# -- discovery --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("which", "path"),
    [
        (("v1", "Pod", "x", "default"), "/api/v1/namespaces/default/pods/x"),
        (("v1", "Namespace", "x"), "/api/v1/namespaces/x"),
        (("v1", "Namespace", "x", "ignored"), "/api/v1/namespaces/x"),
        (("apps/v1", "Deployment", "x", "a"), "/apis/apps/v1/namespaces/a/deployments/x"),
    ],
)
def test_a_kind_is_reached_where_the_server_says_it_is(cluster, api, which, path):
    api.replies[f"GET {path}"] = (200, {"metadata": {"name": "x"}})
    assert cluster.get(*which) == {"metadata": {"name": "x"}}


def test_a_kind_is_looked_up_once(cluster, api):
    for _ in range(3):
        cluster.get("v1", "Pod", "x", "default")
    assert [request.path for request in api.requests].count("/api/v1") == 1


@pytest.mark.parametrize(("api_version", "kind"), [("v1", "Rollout"), ("argoproj.io/v1alpha1", "Rollout")])
def test_a_kind_that_is_not_there_is_named(cluster, api_version, kind):
    with pytest.raises(UnknownKindError, match=rf"\b{kind} in {api_version}\n"):
        cluster.get(api_version, kind, "x", "default")


def test_a_kind_that_comes_later_is_found(cluster, api):
    with pytest.raises(UnknownKindError):
        cluster.list("argoproj.io/v1alpha1", "Rollout")
    found = {"resources": [{"name": "rollouts", "kind": "Rollout", "namespaced": True}]}
    api.replies["GET /apis/argoproj.io/v1alpha1"] = (200, found)
    api.replies["GET /apis/argoproj.io/v1alpha1/rollouts"] = (200, {"items": []})
    assert cluster.list("argoproj.io/v1alpha1", "Rollout") == []


# -- requests ---------------------------------------------------------------------------------------------------------


def test_what_is_not_there_is_none(cluster):
    assert cluster.get("v1", "Pod", "x", "default") is None


def test_a_list_says_of_each_object_what_it_is(cluster, api):
    api.replies["GET /api/v1/namespaces/default/pods"] = (200, {"kind": "PodList", "items": [POD]})
    assert cluster.list("v1", "Pod", "default") == [{"apiVersion": "v1", "kind": "Pod", **POD}]


def test_a_list_can_be_of_all_namespaces_and_by_labels(cluster, api):
    api.replies["GET /api/v1/pods"] = (200, {"items": []})
    cluster.list("v1", "Pod", labels={"app": "x", "owner": "helm"})
    assert api.requests[-1].query == {"labelSelector": "app=x,owner=helm"}


@pytest.mark.parametrize(("dry_run", "asked"), [(False, {}), (True, {"dryRun": "All"})])
def test_applying_is_server_side_under_a_manager(cluster, api, dry_run, asked):
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"}}
    api.replies["PATCH /api/v1/namespaces/default/pods/p"] = (200, {**body, "spec": {}})
    assert cluster.apply(body, dry_run=dry_run, manager="canarylab/x") == {**body, "spec": {}}
    request = api.requests[-1]
    assert request.query == {"fieldManager": "canarylab/x", "force": "true", **asked}
    assert (request.content_type, request.body) == ("application/apply-patch+yaml", body)


def test_a_patch_is_a_merge_patch_of_the_object_or_a_part_of_it(cluster, api):
    api.replies["PATCH /api/v1/namespaces/default/services/s/status"] = (200, {"ok": True})
    assert cluster.patch("v1", "Service", "s", {"status": None}, "default", subresource="status") == {"ok": True}
    assert api.requests[-1].content_type == "application/merge-patch+json"
    assert api.requests[-1].body == {"status": None}


def test_deleting_says_whether_there_was_anything(cluster, api):
    api.replies["DELETE /api/v1/namespaces/default/pods/p"] = (200, {})
    assert cluster.delete("v1", "Pod", "p", "default")
    assert api.requests[-1].query == {"propagationPolicy": "Background"}
    assert not cluster.delete("v1", "Pod", "gone", "default")


def test_a_refusal_is_reported_in_the_servers_words_with_what_was_asked(cluster, api):
    message = 'admission webhook "validation.istio.io" denied the request: SNI host is not a compatible subset'
    api.replies["PATCH /api/v1/namespaces/default/pods/p"] = status(400, message)
    with pytest.raises(ApiError) as caught:
        cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"}})
    assert caught.value.code == 400
    assert str(caught.value) == f"PATCH /api/v1/namespaces/default/pods/p: {message}"


@pytest.mark.parametrize("text", ["<html>Bad Gateway</html>", "[1]", '{"no": "message"}', ""])
def test_a_refusal_by_something_else_is_reported_as_it_came(cluster, api, text):
    api.replies["GET /api/v1/namespaces/default/pods/p"] = (502, text)
    with pytest.raises(ApiError, match="502") as caught:
        cluster.get("v1", "Pod", "p", "default")
    assert caught.value.code == 502
    assert text in str(caught.value)


def test_no_answer_is_an_error_without_a_code_that_says_what_was_asked(tmp_path):
    with ApiServer() as api:
        cluster = Cluster(api.kubeconfig(tmp_path), "unit-test")
    with pytest.raises(ApiError, match="no answer from the cluster") as caught:
        cluster.get("v1", "Pod", "p", "default")
    assert (caught.value.code, caught.value.where) == (None, "GET /api/v1")
    assert caught.value.may_pass


# -- watching ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def watched(api):
    api.replies["GET /api/v1/namespaces/default/pods"] = (200, {})
    return api.watched


def test_events_come_as_they_happen_until_the_watch_ends(cluster, watched):
    events = cluster.events(PODS)
    watched.put({"type": "ADDED", "object": POD})
    assert next(events) == ("ADDED", POD)
    watched.put({"type": "DELETED", "object": POD})
    assert next(events) == ("DELETED", POD)
    watched.put(END)
    assert list(events) == []


def test_a_watch_asks_for_an_end(cluster, api, watched):
    watched.put(END)
    list(cluster.events(PODS, seconds=7))
    assert api.requests[-1].query == {"watch": "true", "timeoutSeconds": "7"}


@pytest.mark.parametrize(
    ("line", "said", "code"),
    [
        (CUT, "the watch broke off", None),
        ("no JSON", "the watch broke off", None),
        (
            {"type": "ERROR", "object": {"kind": "Status", "message": "too old resource version", "code": 410}},
            "too old",
            410,
        ),
    ],
)
def test_a_watch_that_breaks_off_is_an_error_of_the_api(cluster, watched, line, said, code):
    watched.put(line)
    with pytest.raises(ApiError, match=said) as caught:
        list(cluster.events(PODS))
    assert caught.value.code == code


def test_a_watch_that_is_refused_is_an_error_of_the_api(cluster, api):
    api.replies["GET /api/v1/namespaces/default/pods"] = status(403, "forbidden")
    with pytest.raises(ApiError) as caught:
        list(cluster.events(PODS))
    assert caught.value.code == 403


# -- following --------------------------------------------------------------------------------------------------------


def event(version: str, kind: str = "MODIFIED"):
    return {"type": kind, "object": {"metadata": {"name": "p", "resourceVersion": version}}}


def versions_asked_from(api):
    return [request.query["resourceVersion"] for request in api.requests if "watch" in request.query]


def test_a_snapshot_is_what_a_list_found_with_its_version(cluster, api):
    listed = {"metadata": {"resourceVersion": "7"}, "items": [POD]}
    api.replies["GET /api/v1/namespaces/default/pods"] = (200, listed)
    found = cluster.snapshot(PODS)
    assert (found.version, found.items) == ("7", ({"apiVersion": "v1", "kind": "Pod", **POD},))


def test_following_begins_after_a_version_and_asks_for_bookmarks(cluster, api, watched):
    watched.put(event("8"))
    assert next(cluster.follow(PODS, "7", threading.Event())) == ("MODIFIED", event("8")["object"])
    watch = {"watch": "true", "timeoutSeconds": "5"}
    assert api.requests[-1].query == {**watch, "resourceVersion": "7", "allowWatchBookmarks": "true"}


@pytest.mark.parametrize("end", [END, CUT])
def test_a_watch_that_ends_goes_on_from_the_last_version_seen(cluster, api, watched, end):
    for line in (event("8"), event("12", "BOOKMARK"), end, event("13")):
        watched.put(line)
    found = cluster.follow(PODS, "7", threading.Event())
    assert [(kind, obj["metadata"]["resourceVersion"]) for kind, obj in itertools.islice(found, 3)] == [
        ("MODIFIED", "8"),
        ("BOOKMARK", "12"),
        ("MODIFIED", "13"),
    ]
    assert versions_asked_from(api) == ["7", "12"]


def test_a_server_in_trouble_is_asked_again(cluster, api, watched):
    answers = iter([status(503, "busy"), (200, {})])
    api.replies["GET /api/v1/namespaces/default/pods"] = lambda _request: next(answers)
    watched.put(event("8"))
    assert next(cluster.follow(PODS, "7", threading.Event()))[0] == "MODIFIED"
    assert versions_asked_from(api) == ["7", "7"]


def test_history_that_the_server_has_forgotten_when_it_is_asked_is_an_error(cluster, api):
    api.replies["GET /api/v1/namespaces/default/pods"] = status(410, "too old resource version: 7 (900)")
    with pytest.raises(ApiError) as caught:
        next(cluster.follow(PODS, "7", threading.Event()))
    assert caught.value.code == 410


def test_history_that_the_server_forgets_on_the_way_is_an_error(cluster, watched):
    gone = {"kind": "Status", "message": "too old resource version: 8 (900)", "code": 410}
    for line in (event("8"), {"type": "ERROR", "object": gone}):
        watched.put(line)
    found = cluster.follow(PODS, "7", threading.Event())
    next(found)
    with pytest.raises(ApiError, match="too old resource version: 8") as caught:
        next(found)
    assert caught.value.code == 410


def test_following_ends_when_it_is_over(cluster, watched):
    over = threading.Event()
    watched.put(event("8"))
    found = cluster.follow(PODS, "7", over)
    next(found)
    over.set()
    assert list(found) == []


# -- waiting ----------------------------------------------------------------------------------------------------------


def test_what_is_well_is_not_waited_for(cluster, api):
    assert cluster.wait([PODS], lambda: None, deadline=0, cancel=Cancel()) is None
    assert api.requests == []


def test_the_check_runs_again_when_a_watched_object_changes(cluster, api, watched):
    reasons = iter(["no pod", "not ready", None])
    looked = threading.Semaphore(0)

    def check():
        looked.release()
        return next(reasons)

    def change():
        looked.acquire()
        api.watching.wait(SECONDS)
        for _ in range(2):
            watched.put({"type": "MODIFIED", "object": POD})
            looked.acquire()

    threading.Thread(target=change, daemon=True).start()
    started = time.monotonic()
    assert cluster.wait([PODS], check, deadline=soon(), cancel=Cancel()) is None
    assert time.monotonic() - started < 4, "it waited for the time after which it looks anyway"


def test_at_the_deadline_the_last_reason_comes_back(cluster, watched):  # noqa: ARG001 - a watch without events
    reasons = iter(["first", "second", "third", "fourth"])
    assert cluster.wait([PODS], lambda: next(reasons), deadline=time.monotonic() + 0.1, cancel=Cancel()) == "second"


def test_a_deadline_that_is_past_leaves_one_look(cluster):
    assert cluster.wait([PODS], lambda: "not yet", deadline=0, cancel=Cancel()) == "not yet"


def test_an_interruption_ends_the_wait_at_once(cluster, api, watched):  # noqa: ARG001
    cancel = Cancel()
    threading.Thread(target=lambda: (api.watching.wait(SECONDS), cancel.set()), daemon=True).start()
    started = time.monotonic()
    with pytest.raises(CancelledError):
        cluster.wait([PODS], lambda: "not yet", deadline=soon(), cancel=cancel)
    assert time.monotonic() - started < 4
    assert not cancel._callbacks


def test_a_watch_that_breaks_off_is_begun_anew(cluster, api, watched, capfd):
    ready = threading.Event()

    def change():
        api.watching.wait(SECONDS)
        api.watching.clear()
        watched.put(CUT)
        api.watching.wait(SECONDS)
        ready.set()
        watched.put({"type": "ADDED", "object": POD})

    threading.Thread(target=change, daemon=True).start()
    assert cluster.wait([PODS], lambda: None if ready.is_set() else "not yet", deadline=soon(), cancel=Cancel()) is None
    assert capfd.readouterr().err == ""


def test_a_kind_that_does_not_exist_yet_is_looked_for_again_and_again(cluster, api):
    """Its definition may come while it is waited for."""
    cancel = Cancel()

    def end_at_the_second_look():
        while [request.path for request in api.requests].count("/apis/argoproj.io/v1alpha1") < 2:
            time.sleep(0.01)
        cancel.set()

    threading.Thread(target=end_at_the_second_look, daemon=True).start()
    with pytest.raises(CancelledError):
        cluster.wait([Watch("argoproj.io/v1alpha1", "Rollout")], lambda: "not yet", deadline=soon(), cancel=cancel)
