"""The command line of an upgrade, run by the real Helm 4 on records as Helm 3 and Helm 4 leave them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.api_server import ApiServer
from support.helm_records import record
from support.real_programs import program

from canarylab.tools.helm import Helm

PROGRAM = program("helm")
pytestmark = [
    pytest.mark.skipif(not PROGRAM.exists(), reason="helm isn't built here; `invoke up` builds it"),
    pytest.mark.timeout(60),
]
OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: gateway\ndata: {wanted: as the chart has it}\n"
LIVE = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {
        "name": "gateway",
        "namespace": "ns",
        "uid": "1",
        "resourceVersion": "1",
        "labels": {"app.kubernetes.io/managed-by": "Helm"},
        "annotations": {"meta.helm.sh/release-name": "gateway", "meta.helm.sh/release-namespace": "ns"},
    },
    "data": {"wanted": "changed by hand"},
}
RECORDS: dict[str, dict[str, Any]] = {
    "Helm 3's, which says nothing": {},
    "Helm 4's of a client-side apply": {"apply_method": "csa"},
    "Helm 4's own": {"apply_method": "ssa"},
}


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    folder = tmp_path / "gateway"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: gateway\nversion: 1.31.0\n")
    (folder / "templates" / "map.yaml").write_text(OBJECT)
    return folder


@pytest.fixture
def api() -> Iterator[ApiServer]:
    """As much of the API as Helm asks for: it has the chart's one object, changed by somebody."""
    verbs = ["get", "list", "create", "patch", "update", "delete"]
    kinds = {"configmaps": "ConfigMap", "secrets": "Secret"}
    patch = {
        "parameters": [{"name": "fieldValidation", "in": "query"}],
        "responses": {},
        "x-kubernetes-group-version-kind": {"group": "", "kind": "ConfigMap", "version": "v1"},
    }
    path = "/api/v1/namespaces/{namespace}/configmaps/{name}"
    with ApiServer() as server:
        server.replies |= {
            "GET /version": (200, {"major": "1", "minor": "36", "gitVersion": "v1.36.3"}),
            "GET /api": (200, {"kind": "APIVersions", "versions": ["v1"]}),
            "GET /apis": (200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": []}),
            "GET /api/v1": (
                200,
                {
                    "kind": "APIResourceList",
                    "groupVersion": "v1",
                    "resources": [
                        {"name": name, "kind": kind, "namespaced": True, "verbs": verbs, "singularName": ""}
                        for name, kind in kinds.items()
                    ],
                },
            ),
            "GET /openapi/v3": (200, {"paths": {"api/v1": {"serverRelativeURL": "/openapi/v3/api/v1"}}}),
            "GET /openapi/v3/api/v1": (200, {"openapi": "3.0.0", "info": {}, "paths": {path: {"patch": patch}}}),
            "GET /api/v1/namespaces/ns/configmaps/gateway": (200, LIVE),
            "PATCH /api/v1/namespaces/ns/configmaps/gateway": (200, LIVE),
        }
        yield server


def upgrade(api: ApiServer, chart: Path, last: dict[str, Any], *without: str) -> subprocess.CompletedProcess[str]:
    secrets = "/api/v1/namespaces/ns/secrets"
    api.replies |= {
        f"GET {secrets}": (200, {"kind": "SecretList", "apiVersion": "v1", "items": [last]}),
        f"POST {secrets}": (201, last),
        **{f"PUT {secrets}/sh.helm.release.v1.gateway.v{revision}": (200, last) for revision in (1, 2)},
    }
    helm = Helm(PROGRAM, api.kubeconfig(chart.parent), "unit-test")
    argv = helm.upgrade("gateway", chart, "ns", [], {"canarylab.dev/profile": "demo"})
    return subprocess.run(
        [word for word in argv if word not in without],
        env={"HOME": str(chart.parent), "PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.mark.parametrize("written", RECORDS.values(), ids=RECORDS)
def test_an_upgrade_puts_back_what_was_changed_whoever_wrote_the_last_record(
    api: ApiServer, chart: Path, written: dict[str, Any]
) -> None:
    """Case 01: it ended with "forceConflicts enabled when serverSideApply disabled", at each `up` anew."""
    done = upgrade(api, chart, record(manifest=f"---\n{OBJECT}", **written))
    assert done.returncode == 0, done.stderr
    assert "STATUS: deployed" in done.stdout
    [applied] = [request for request in api.requests if request.method == "PATCH"]
    assert applied.content_type == "application/apply-patch+yaml"
    assert (applied.query["force"], applied.query["fieldManager"]) == ("true", "helm")
    assert applied.body["data"] == {"wanted": "as the chart has it"}


def test_helm_by_itself_goes_on_as_the_last_record_did(api: ApiServer, chart: Path) -> None:
    """Why it is told to apply on the server: once this fails, the flag isn't needed any more."""
    done = upgrade(api, chart, record(manifest=f"---\n{OBJECT}"), "--server-side=true")
    assert "forceConflicts enabled when serverSideApply disabled" in done.stderr
