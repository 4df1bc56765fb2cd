from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fake_cluster import FakeCluster
from support.helm_records import record

from canarylab.errors import MachineError
from canarylab.kube.apply import placed
from canarylab.tools.helm import (
    Helm,
    Release,
    merge_values,
    newest_first,
    parse_objects,
    parse_record,
    parse_version,
)

HELM = Helm(Path("/programs/helm"), Path("/state/kubeconfig"), "demo")
CLUSTER = ["--kubeconfig", "/state/kubeconfig", "--kube-context", "demo"]


def words(argv):
    return [str(word) for word in argv]


# -- records ----------------------------------------------------------------------------------------------------------


def test_a_record_is_decoded():
    assert parse_record(record(revision=3, status="pending-upgrade", config={"a": {"b": 1}}, manifest="")) == Release(
        name="gateway",
        namespace="ns",
        revision=3,
        status="pending-upgrade",
        chart="gateway",
        version="1.31.0",
        values={"a": {"b": 1}},
        manifest="",
        record="sh.helm.release.v1.gateway.v3",
        labels={"owner": "helm", "name": "gateway", "status": "pending-upgrade", "version": "3"},
    )


@pytest.mark.parametrize("config", [None, {}])
def test_a_release_without_values_has_none(config):
    assert parse_record(record(config=config)).values == {}


def test_revisions_are_ordered_as_numbers():
    assert [found.revision for found in newest_first([record(revision=number) for number in (9, 11, 10)])] == [
        11,
        10,
        9,
    ]


def test_a_releases_objects_are_as_helm_applies_them():
    deployment, account = parse_record(record()).objects
    assert deployment["metadata"] == {
        "name": "gateway",
        "namespace": "ns",
        "labels": {"app": "gateway", "app.kubernetes.io/managed-by": "Helm"},
        "annotations": {"meta.helm.sh/release-name": "gateway", "meta.helm.sh/release-namespace": "ns"},
    }
    assert account["metadata"]["namespace"] == "elsewhere"


# -- command lines ----------------------------------------------------------------------------------------------------


def test_an_upgrade_installs_too_and_names_its_cluster():
    values, labels = [Path("a.yaml"), Path("b.yaml")], {"canarylab.dev/profile": "demo"}
    argv = HELM.upgrade("istiod", Path("/charts/istiod-1.tgz"), "istio-system", values, labels)
    assert words(argv) == [
        *("/programs/helm", "upgrade", "istiod", "/charts/istiod-1.tgz", "--install"),
        *("--namespace", "istio-system", "--create-namespace", "--server-side=true", "--force-conflicts"),
        *("--labels", "canarylab.dev/profile=demo"),
        *("--values", "a.yaml", "--values", "b.yaml"),
        *CLUSTER,
    ]


def test_no_upgrade_waits_for_a_load_balancer():
    assert not [word for word in words(HELM.upgrade("gateway", Path("c.tgz"), "ns", [], {})) if "wait" in word]


@pytest.mark.parametrize(
    ("version", "flags"),
    [
        # By itself Helm 4 goes on as the last record did, and for one of Helm 3 refuses to force conflicts.
        ((4, 0), ["--server-side=true", "--force-conflicts"]),
        ((4, 2), ["--server-side=true", "--force-conflicts"]),
        # Helm 3 knows neither flag, and patches what Helm 4 has applied.
        ((3, 18), []),
    ],
)
def test_a_release_is_upgraded_whichever_helm_wrote_its_last_record(version, flags):
    helm = Helm(Path("helm"), Path("/state/kubeconfig"), "demo", version)
    argv = words(helm.upgrade("gateway", Path("c.tgz"), "ns", [], {}))
    assert [word for word in argv if word.startswith(("--server-side", "--force"))] == flags


def test_what_a_chart_would_make_is_printed_without_a_cluster_being_asked():
    argv = words(HELM.template("istiod", Path("/charts/istiod-1.tgz"), "istio-system", [Path("a.yaml")]))
    assert argv[1:] == [
        *("template", "istiod", "/charts/istiod-1.tgz", "--namespace", "istio-system", "--include-crds"),
        *("--values", "a.yaml"),
    ]


@pytest.mark.parametrize(
    ("printed", "version"), [("v4.2.4", (4, 2)), ("v3.13.0\n", (3, 13)), ("v3.18.5+gb78692c", (3, 18))]
)
def test_a_version_is_read(printed, version):
    assert parse_version(printed) == version


@pytest.mark.parametrize("printed", ["v3.12.3", "v2.17.0", "", "helm: not found"])
def test_a_helm_that_cannot_label_releases_is_refused(printed):
    with pytest.raises(MachineError, match=r"3\.13"):
        parse_version(printed)


def test_printed_objects_are_in_their_namespace_and_those_of_the_whole_cluster_in_none():
    printed = """
---
# Source: base/templates/crds.yaml
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gateways.example.org}
spec: {large: true}
---
apiVersion: v1
kind: Service
metadata: {name: a}
---
apiVersion: v1
kind: Service
metadata: {name: b, namespace: elsewhere}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: c}
---
# nothing
"""
    cluster: Any = FakeCluster()
    objects = [placed(cluster, obj, "ns") for obj in parse_objects(printed)]
    found = {obj["metadata"]["name"]: obj["metadata"].get("namespace") for obj in objects}
    assert found == {"gateways.example.org": None, "a": "ns", "b": "elsewhere", "c": None}
    assert "spec" not in objects[0]
    on_two_lines = printed.replace("metadata: {name: gateways.example.org}", "metadata:\n  name: x")
    assert "spec" not in parse_objects(on_two_lines)[0]


def test_an_uninstall_of_what_is_gone_is_no_failure():
    argv = HELM.uninstall("istiod", "istio-system")
    assert words(argv) == [
        *("/programs/helm", "uninstall", "istiod", "--namespace", "istio-system", "--ignore-not-found"),
        *CLUSTER,
    ]


# -- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "merged"),
    [
        ([], {}),
        ([{"a": 1}], {"a": 1}),
        ([{"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}], {"a": {"b": 1, "c": 3}}),
        ([{"ports": [1, 2]}, {"ports": [3]}], {"ports": [3]}),
        ([{"a": {"b": 1}}, {"a": "text"}], {"a": "text"}),
        ([{"a": "text"}, {"a": {"b": 1}}], {"a": {"b": 1}}),
        ([{"a": {"b": 1}}, {"a": None}], {"a": None}),
        ([{"a": 1}, {"b": 2}, {"a": 3}], {"a": 3, "b": 2}),
    ],
)
def test_maps_are_merged_and_everything_else_is_replaced(layers, merged):
    assert merge_values(layers) == merged


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.text("ab", max_size=2)
    | st.lists(st.integers(0, 3), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
LAYERS = st.lists(st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3), max_size=4)


def paths(values, way=()):
    """Every path to something that isn't a map with entries, with what is there."""
    if isinstance(values, dict) and (values or not way):
        return {path: leaf for key, value in values.items() for path, leaf in paths(value, (*way, key)).items()}
    return {way: values}


@given(LAYERS)
def test_merging_in_two_steps_is_the_same_as_in_one(layers):
    for cut in range(len(layers) + 1):
        assert merge_values([merge_values(layers[:cut]), *layers[cut:]]) == merge_values(layers)


@given(LAYERS)
def test_what_the_last_layer_says_holds(layers):
    merged = paths(merge_values(layers))
    for path, leaf in paths(layers[-1] if layers else {}).items():
        if leaf == {}:
            assert any(other[: len(path)] == path for other in merged)
        else:
            assert merged[path] == leaf


@given(LAYERS)
def test_nothing_comes_up_that_no_layer_said(layers):
    said = [paths(layer) for layer in layers]
    for path, leaf in paths(merge_values(layers)).items():
        assert any(one.get(path, ...) == leaf for one in said)


@given(LAYERS)
def test_merging_leaves_the_layers_as_they_were(layers):
    before = copy.deepcopy(layers)
    merge_values(layers)
    assert layers == before
