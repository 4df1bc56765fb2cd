"""What each kind of stage would change, as data: what was observed goes in, the changes come out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from canarylab import pins
from canarylab.contract.playbook import ClusterSpec
from canarylab.contract.provider import TunnelStatus
from canarylab.contract.stage import Change, StageOptions
from canarylab.images.image import SOURCE_LABEL, Image, Wanted
from canarylab.kube.apply import Comparison
from canarylab.providers.embedded import EmbeddedProvider
from canarylab.providers.embedded.programs.built import digest
from canarylab.providers.embedded.stages import ClusterStage, ClusterState, MachineStage, MachineState, ProgramsStage
from canarylab.stages.kinds.argo_rollouts import ArgoRolloutsOptions, ArgoRolloutsStage
from canarylab.stages.kinds.helm_release import HelmReleaseOptions, HelmReleaseStage, ReleaseState
from canarylab.stages.kinds.image import ImageOptions, ImageStage, ImageState
from canarylab.stages.kinds.manifests import ManifestsOptions, ManifestsStage
from canarylab.stages.kinds.namespace import NamespaceOptions, NamespaceStage, NamespaceState
from canarylab.stages.kinds.tunnel import TunnelStage
from canarylab.tools.helm import Release

EMBEDDED = EmbeddedProvider(ClusterSpec(profile="unit-test"))
BLUE = "localhost/argoproj/rollouts-demo:blue"
FILE = Path("/home/me/.kube/config")
STAGES: dict[str, Any] = {
    "helm-release": HelmReleaseStage(
        "istiod", HelmReleaseOptions(chart="istio/istiod", version="1.31.0", namespace="ns")
    ),
    "image": ImageStage("image-blue", ImageOptions(path="images/x", image=BLUE)),
    "manifests": ManifestsStage("demo", ManifestsOptions(path="m")),
    "argo-rollouts": ArgoRolloutsStage("rollouts", ArgoRolloutsOptions(version="1.10.1")),
    "namespace": NamespaceStage("injection", NamespaceOptions(namespace="default")),
    "tunnel": TunnelStage("tunnel", StageOptions()),
    "programs": ProgramsStage(EMBEDDED),
    "machine": MachineStage(EMBEDDED),
    "cluster": ClusterStage(EMBEDDED),
}
RELEASE = "release ns/istiod"


def release(status="deployed", revision=1, version="1.31.0", values=None):
    return Release("istiod", "ns", revision, status, "istiod", version, values or {}, "", f"record-{revision}")


def helm(newest=None, unfinished=(), version="1.31.0", values=None, drift=()):
    return ReleaseState(newest, tuple(unfinished), version, values or {}, tuple(drift))


def drifted(kind, diff="", namespace=None):
    """An object of the release that isn't as the chart made it; gone where there is no difference to show."""
    obj = {"kind": kind, "metadata": {"name": "istiod", "namespace": namespace}}
    return Comparison(obj, obj if diff else None, diff)


def image_state(images, cluster="amd64", digest="d1"):
    """The cluster's architectures as `amd64` or `amd64+arm64`."""

    class Source(Wanted):
        @property
        def digest(self):
            return digest

    return ImageState(tuple(images), tuple(cluster.split("+")), Source(Path("images/x"), BLUE, {}))


def image(architecture="amd64", program="amd64", digest="d1"):
    return Image(BLUE, architecture, {SOURCE_LABEL: digest}, program)


def compared(name, *, there=True, diff=""):
    obj = {"kind": "Service", "metadata": {"namespace": "default", "name": name}}
    return Comparison(obj, obj if there else None, diff)


def namespace(*, there=True, diff=""):
    return NamespaceState({"metadata": {}} if there else None, {}, diff)


CREATE_KUBERNETES = Change("create", f"Kubernetes {pins.pins().kubernetes}", "kubeadm hasn't finished here")
START_MACHINE = Change("start", "machine", "it isn't running")
RESTART = Change("start", "machine", "its network changes, and it is restarted for that")
OTHER_LIMITS = Change("update", "ceiling", "why")
RESTART_FOR_LIMITS = Change("start", "machine", "its ceiling changes, and it is restarted for that")
OTHER_RULES = Change("update", "network", "the playbook's `internet` isn't what its rules were made for")
CREATE_NETWORK = Change("create", "network", "its namespace, link or rules are missing")
CREATE_DISK = Change("create", "disk", "there is none, or it was left half done")

TABLE: list[tuple[str, Any, list[Change]]] = [
    # helm-release
    ("helm-release", helm(), [Change("create", RELEASE, "chart istio/istiod 1.31.0 isn't installed")]),
    ("helm-release", helm(release()), []),
    (
        "helm-release",
        helm(release(version="1.30.0")),
        [Change("update", RELEASE, "chart version 1.30.0, wanted 1.31.0")],
    ),
    (
        "helm-release",
        helm(release(values={"a": 1, "b": 2}), values={"a": 1, "b": 3}),
        [
            Change(
                "update", RELEASE, "values differ", "--- installed\n+++ wanted\n@@ -1,2 +1,2 @@\n a: 1\n-b: 2\n+b: 3\n"
            )
        ],
    ),
    *(
        (
            "helm-release",
            helm(release(state, 2), [release(state, 2)], version="1.32.0"),
            [Change("repair", RELEASE, f"an earlier Helm did not finish: revision 2 is {state}")],
        )
        for state in ("pending-install", "pending-upgrade", "pending-rollback", "failed", "uninstalling")
    ),
    (
        "helm-release",
        helm(release(), [release("failed", 3), release("pending-upgrade", 2)]),
        [
            Change(
                "repair",
                RELEASE,
                "an earlier Helm did not finish: revision 3 is failed, revision 2 is pending-upgrade",
            )
        ],
    ),
    (
        "helm-release",
        helm(release(), drift=[drifted("Deployment", "-x\n+y\n", "ns"), drifted("ClusterRole")]),
        [
            Change("repair", "Deployment ns/istiod", "it was changed or deleted", "-x\n+y\n"),
            Change("repair", "ClusterRole istiod", "it was changed or deleted"),
        ],
    ),
    # image
    ("image", image_state([]), [Change("build", BLUE, "the cluster doesn't have it")]),
    ("image", image_state([image()], "amd64", "d1"), []),
    ("image", image_state([image(program="")], "amd64", "d1"), []),
    (
        "image",
        image_state([image()], "amd64", "d2"),
        [Change("build", BLUE, "its sources or build arguments have changed")],
    ),
    (
        "image",
        image_state([image()], "arm64", "d1"),
        [Change("build", BLUE, "its architecture is amd64, the cluster's is arm64")],
    ),
    (
        "image",
        image_state([image(architecture="arm64", program="amd64")], "arm64", "d1"),
        [Change("build", BLUE, "its architecture is amd64/arm64, the cluster's is arm64")],
    ),
    ("image", image_state([image(), image("arm64", "arm64")], "amd64+arm64"), []),
    (
        "image",
        image_state([image()], "amd64+arm64"),
        [Change("build", BLUE, "its architecture is amd64, the cluster's is amd64/arm64")],
    ),
    # manifests, argo-rollouts
    *(
        (kind, observed, changes)
        for kind in ("manifests", "argo-rollouts")
        for observed, changes in (
            ([], []),
            ([compared("a"), compared("b")], []),
            (
                [compared("new", there=False, diff="+x"), compared("same"), compared("other", diff="-x\n+y")],
                [
                    Change("create", "Service default/new", "it isn't there", "+x"),
                    Change("update", "Service default/other", "it differs from what is wanted", "-x\n+y"),
                ],
            ),
        )
    ),
    # namespace
    ("namespace", namespace(), []),
    ("namespace", namespace(there=False, diff="+x"), [Change("create", "Namespace default", "it isn't there", "+x")]),
    ("namespace", namespace(diff="+l"), [Change("update", "Namespace default", "its labels differ", "+l")]),
    # tunnel
    ("tunnel", TunnelStatus(True, 7, "r", {}), []),
    ("tunnel", TunnelStatus(False, None, "r", {}), [Change("start", "tunnel", "it isn't running")]),
    # programs
    ("programs", None, []),
    (
        "programs",
        digest()[:16],
        [Change("build", f"programs and images {digest()[:16]}", "not in the cache: 5 to 15 minutes once")],
    ),
    # machine
    ("machine", MachineState(True, True, True), []),
    ("machine", MachineState(True, True, False), [START_MACHINE]),
    ("machine", MachineState(True, False, True), [CREATE_NETWORK, RESTART]),
    ("machine", MachineState(True, False, True, other_rules=True), [OTHER_RULES, RESTART]),
    ("machine", MachineState(True, False, False, other_rules=True), [OTHER_RULES, START_MACHINE]),
    ("machine", MachineState(True, True, True, other_limits="why"), [OTHER_LIMITS, RESTART_FOR_LIMITS]),
    ("machine", MachineState(False, True, False), [CREATE_DISK, START_MACHINE]),
    ("machine", MachineState(False, False, False), [CREATE_DISK, CREATE_NETWORK, START_MACHINE]),
    # cluster
    ("cluster", ClusterState(True, True, True, FILE), []),
]


@pytest.mark.parametrize(("kind", "observed", "changes"), TABLE, ids=[f"{row[0]}-{n}" for n, row in enumerate(TABLE)])
def test_from_what_is_observed_follows_what_would_change(kind, observed, changes):
    assert STAGES[kind].changes(observed) == changes


@pytest.mark.parametrize(
    ("kind", "observed", "absent"),
    [
        ("helm-release", helm(), True),
        ("helm-release", helm(release(), drift=[drifted("Deployment", "", "ns")]), False),
        ("image", image_state([]), True),
        ("image", image_state([image()], digest="d2"), False),
        ("manifests", [], False),
        ("manifests", [compared("a", there=False), compared("b", there=False)], True),
        ("manifests", [compared("a", there=False, diff="+x"), compared("b")], False),
        ("namespace", namespace(there=False, diff="+x"), True),
        ("tunnel", TunnelStatus(False, None, "r", {}), True),
        ("machine", MachineState(False, False, False), True),
        ("machine", MachineState(True, False, False), False),
        ("cluster", ClusterState(False, False, False, FILE), True),
        ("cluster", ClusterState(True, False, False, FILE), False),
    ],
)
def test_only_what_nothing_is_there_of_is_absent(kind, observed, absent):
    assert STAGES[kind].is_absent(observed) is absent


@pytest.mark.parametrize("observed", [ClusterState(True, False, True, FILE), ClusterState(True, True, False, FILE)])
def test_a_context_that_is_missing_in_either_kubeconfig_is_a_change(observed):
    [change] = STAGES["cluster"].changes(observed)
    assert (change.action, change.subject) == ("update", f"context in {FILE}")


def test_a_cluster_that_is_not_there_is_created_with_its_context():
    first, second = STAGES["cluster"].changes(ClusterState(False, False, False, FILE))
    assert first == CREATE_KUBERNETES
    assert second.action == "update"
