from __future__ import annotations

import base64
import copy
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fake_cluster import FakeCluster

from canarylab.kube.apply import (
    APPLIED,
    PATH_PATTERN,
    IgnoredFields,
    compare,
    diff_of,
    is_within,
    live_object,
    stamped,
    subject,
    with_live_fields,
)
from canarylab.kube.client import ApiError

SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=3)
KEYS = st.sampled_from(["a", "b", "status", "name"])
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
OBJECTS = st.dictionaries(KEYS, JSON, max_size=4)


def config_map(data, **meta):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "n", **meta}, "data": data}


def rollout(*images, weight=0):
    containers = [{"name": f"c{index}", "image": image} for index, image in enumerate(images)]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "r"},
        "spec": {
            "template": {"spec": {"containers": containers}},
            "route": [{"weight": weight}, {"weight": 100 - weight}],
        },
    }


# -- is_within --------------------------------------------------------------------------------------------------------


def test_what_the_server_added_is_no_difference():
    wanted = {"spec": {"ports": [{"port": 80}]}}
    live = {"spec": {"ports": [{"port": 80, "protocol": "TCP"}], "type": "ClusterIP"}, "status": {"x": 1}}
    assert is_within(wanted, live)
    assert not is_within(live, wanted)


@pytest.mark.parametrize(
    ("wanted", "live"),
    [
        ({"a": 1}, {"a": 2}),
        ({"a": {"b": 1}}, {"a": {}}),
        ({"a": {"b": 1}}, {"a": None}),
        ({"a": {}}, {}),
        ({"a": [1, 2]}, {"a": [1]}),
        ({"a": [1]}, {"a": [1, 2]}),
        ({"a": [1]}, {"a": {"0": 1}}),
        ({"data": {"status": "new"}}, {"data": {"status": "old"}}),
    ],
)
def test_a_field_that_is_missing_or_another_is_a_difference(wanted, live):
    assert not is_within(wanted, live)


@given(OBJECTS)
def test_everything_is_within_itself(obj):
    assert is_within(obj, copy.deepcopy(obj))


@given(OBJECTS, OBJECTS)
def test_what_is_within_stays_so_when_the_server_adds_fields(wanted, added):
    live = {**{f"{key}'": value for key, value in added.items()}, **wanted}
    assert is_within(wanted, live)


@given(OBJECTS, KEYS, SCALARS)
def test_a_changed_field_is_noticed_wherever_it_is(obj, key, value):
    wanted, live = {"deep": [{**obj, key: value}]}, {"deep": [{**obj, key: "something else"}]}
    assert not is_within(wanted, live)


# -- with_live_fields -------------------------------------------------------------------------------------------------


def test_kept_fields_are_as_they_are_in_the_cluster():
    kept = [IgnoredFields("Rollout", ("spec.template.spec.containers[*].image", "spec.route[0].weight"))]
    result = with_live_fields(rollout("blue", "proxy:1"), rollout("yellow", "proxy:2", weight=5), kept)
    assert result == rollout("yellow", "proxy:2") | {
        "spec": {**result["spec"], "route": [{"weight": 5}, {"weight": 100}]}
    }


def test_other_kinds_keep_nothing():
    assert with_live_fields(rollout("blue"), rollout("yellow"), [IgnoredFields("Deployment", ("spec",))]) == rollout(
        "blue"
    )


@pytest.mark.parametrize(
    "field", ["spec.nowhere.x", "spec.template[0]", "spec.route[7].weight", "metadata.name.x", "a[*]"]
)
def test_a_path_that_leads_nowhere_keeps_nothing(field):
    assert with_live_fields(rollout("blue"), rollout("yellow"), [IgnoredFields("Rollout", (field,))]) == rollout("blue")


def test_of_lists_of_different_length_the_common_part_is_kept():
    kept = [IgnoredFields("Rollout", ("spec.template.spec.containers[*].image",))]
    images = [
        c["image"]
        for c in with_live_fields(rollout("a", "b"), rollout("x"), kept)["spec"]["template"]["spec"]["containers"]
    ]
    assert images == ["x", "b"]


def test_a_whole_map_can_be_kept():
    live = config_map({"a": "1", "hash": "2"})
    assert with_live_fields(config_map({"a": "0"}), live, [IgnoredFields("ConfigMap", ("data",))]) == live


PATHS = st.lists(st.sampled_from(["a", "b", "status", "[*]", "[0]"]), min_size=1, max_size=4).map(
    lambda steps: re.sub(r"\.\[", "[", ".".join(steps))
)


@given(OBJECTS, OBJECTS, st.lists(PATHS, max_size=3))
def test_keeping_is_pure_and_a_second_time_changes_nothing(wanted, live, paths):
    wanted, live = {**wanted, "kind": "K"}, {**live, "kind": "K"}
    before = copy.deepcopy((wanted, live))
    kept = [IgnoredFields("K", tuple(paths))]
    once = with_live_fields(wanted, live, kept)
    assert (wanted, live) == before
    assert with_live_fields(once, live, kept) == once


@given(OBJECTS, st.lists(PATHS, max_size=3))
def test_keeping_what_is_the_same_changes_nothing(wanted, paths):
    wanted = {**wanted, "kind": "K"}
    assert with_live_fields(wanted, copy.deepcopy(wanted), [IgnoredFields("K", tuple(paths))]) == wanted


@pytest.mark.parametrize("path", ["a", "a.b", "a[*]", "a[0][*].b", "spec.http[*].route[*].weight", "x-y.z_0"])
def test_the_pattern_takes_paths(path):
    assert re.search(PATH_PATTERN, path)


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b", "a[]", "a[x]", "a[*", "a]", "[*]", "a[*]b"])
def test_the_pattern_refuses_what_would_lead_nowhere(path):
    assert not re.search(PATH_PATTERN, path)


# -- stamped ----------------------------------------------------------------------------------------------------------


def test_the_stamp_changes_with_the_object_and_only_with_it():
    one, other = stamped(config_map({"a": "1"})), stamped(config_map({"a": "2"}))
    assert one["metadata"]["annotations"][APPLIED] != other["metadata"]["annotations"][APPLIED]
    assert stamped(config_map({"a": "1"})) == one


def test_the_stamp_stands_beside_other_annotations_and_the_object_stays_as_it_was():
    obj = config_map({}, annotations={"x": "y"})
    before = copy.deepcopy(obj)
    assert stamped(obj)["metadata"]["annotations"].keys() == {"x", APPLIED}
    assert obj == before


def test_annotations_may_be_null():
    assert stamped(config_map({}, annotations=None))["metadata"]["annotations"].keys() == {APPLIED}


# -- diff_of ----------------------------------------------------------------------------------------------------------


def test_a_diff_shows_what_goes_and_what_comes():
    diff = diff_of(config_map({"a": "old"}), config_map({"a": "new"}))
    assert diff.startswith("--- live\n+++ wanted\n")
    assert "-  a: old\n+  a: new\n" in diff


def test_what_the_server_keeps_for_itself_is_no_difference():
    live = config_map({}, resourceVersion="7", uid="u", generation=3, managedFields=[{}], creationTimestamp="t")
    assert diff_of({**live, "status": {"x": 1}}, config_map({})) == ""


def test_something_new_is_shown_whole():
    diff = diff_of(None, config_map({"a": "1"}))
    assert [line for line in diff.splitlines() if line.startswith("-")] == ["--- live"]
    assert "+  a: '1'" in diff


def secret(value, **meta):
    data = {"password": base64.b64encode(value.encode()).decode()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", **meta},
        "data": data,
        "stringData": {"t": value},
    }


def test_the_content_of_secrets_is_never_shown_but_a_change_of_it_is():
    old, new = secret("hunter2"), secret("correct horse")
    diff = diff_of(old, new)
    for value in ("hunter2", "correct horse", old["data"]["password"], new["data"]["password"]):
        assert value not in diff
    assert diff.count("not shown") == 4
    assert diff_of(old, copy.deepcopy(old)) == ""


def test_kubectls_copy_of_a_secret_is_not_shown_either():
    live = secret("x", annotations={"kubectl.kubernetes.io/last-applied-configuration": "hunter2", "note": "stays"})
    diff = diff_of(live, stamped(secret("x", annotations={"note": "stays"})))
    assert "hunter2" not in diff
    assert "note: stays" in diff


def test_a_secret_that_is_wrong_is_left_to_the_server_to_refuse():
    wrong = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "stringData": {"port": 5432, "none": None},
    }
    assert "not shown" in diff_of(None, wrong)


# -- compare ----------------------------------------------------------------------------------------------------------


def test_what_is_not_there_is_wanted_whole():
    found = compare(FakeCluster(), config_map({"a": "1"}), (), "m")
    assert (found.live, found.subject) == (None, "ConfigMap n/c")
    assert "+  a: '1'" in found.diff


def test_a_kind_that_the_cluster_does_not_know_yet_is_not_there():
    assert compare(FakeCluster(), rollout("blue"), (), "m").live is None


def test_what_holds_everything_is_not_asked_about_with_a_dry_run():
    cluster = FakeCluster(config_map({"a": "1"}, labels={"by": "server"}))
    assert compare(cluster, config_map({"a": "1"}), (), "m").diff == ""
    assert cluster.dry_runs == []


def test_what_lives_in_no_namespace_is_not_looked_for_in_one():
    """Helm's charts may name one all the same, and a dry run for it would cost every run."""
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "r"}, "rules": []}
    cluster = FakeCluster(role)
    found = compare(cluster, {**role, "metadata": {"name": "r", "namespace": "n"}}, (), "m")
    assert (found.diff, found.subject, cluster.dry_runs) == ("", "ClusterRole r", [])


def test_what_differs_is_what_the_server_says_in_a_dry_run():
    cluster = FakeCluster(config_map({"a": "1", "foreign": "x"}))
    found = compare(cluster, config_map({"a": "2"}), (), "m")
    assert "-  a: '1'\n+  a: '2'" in found.diff
    assert "-  foreign" not in found.diff
    assert (cluster.dry_runs, cluster.writes) == (["ConfigMap c"], [])


def test_a_drifted_field_called_status_is_seen():
    cluster = FakeCluster(config_map({"status": "drifted"}))
    assert compare(cluster, config_map({"status": "wanted"}), (), "m").diff


def test_an_objects_own_status_is_none_of_our_business():
    cluster = FakeCluster({**config_map({}), "status": {"phase": "Active"}})
    assert compare(cluster, {**config_map({}), "status": {"phase": ""}}, (), "m").diff == ""
    assert cluster.dry_runs == []


def test_kept_fields_are_no_difference_and_stay_in_what_is_applied():
    cluster = FakeCluster(kinds=[("argoproj.io/v1alpha1", "Rollout")])
    cluster.put({**rollout("yellow"), "status": {"conditions": [{"type": "Healthy", "status": "False"}]}})
    found = compare(
        cluster, rollout("blue"), [IgnoredFields("Rollout", ("spec.template.spec.containers[*].image",))], "m"
    )
    assert (found.diff, found.wanted) == ("", rollout("yellow"))


def test_a_rollout_that_has_never_been_well_keeps_nothing_so_that_a_wrong_image_can_be_mended():
    cluster = FakeCluster(kinds=[("argoproj.io/v1alpha1", "Rollout")])
    cluster.put({**rollout("bleu"), "status": {"phase": "Progressing"}})
    found = compare(
        cluster, rollout("blue"), [IgnoredFields("Rollout", ("spec.template.spec.containers[*].image",))], "m"
    )
    assert "+      - image: blue" in found.diff


def test_where_the_dry_run_finds_no_place_for_it_the_object_itself_is_compared():
    cluster = FakeCluster(config_map({"a": "1"}))
    cluster.refused["apply ConfigMap c"] = ApiError("namespace n not found", 404, where="PATCH")
    assert "+  a: '2'" in compare(cluster, config_map({"a": "2"}), (), "m").diff


def test_what_the_server_refuses_is_not_swallowed():
    cluster = FakeCluster(config_map({"a": "1"}))
    cluster.refused["apply ConfigMap c"] = ApiError("denied by the webhook", 400, where="PATCH")
    with pytest.raises(ApiError, match="denied"):
        compare(cluster, config_map({"a": "2"}), (), "m")


@pytest.mark.parametrize(
    ("meta", "called"),
    [({"name": "x"}, "K x"), ({"name": "x", "namespace": "n"}, "K n/x"), ({"name": "x", "namespace": ""}, "K x")],
)
def test_an_object_is_called_by_kind_namespace_and_name(meta, called):
    assert subject({"kind": "K", "metadata": meta}) == called


def test_what_is_of_a_kind_that_the_cluster_does_not_know_is_not_there():
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "ns"}}
    cluster = FakeCluster(pod)
    assert live_object(cluster, pod) == pod
    assert live_object(cluster, {**pod, "kind": "Thing"}) is None
