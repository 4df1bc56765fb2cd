from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
import yaml
from support.chart_repository import CHARTS, ROLLOUTS, FileServer, index, repository
from support.fake_time import FakeTime
from support.runs import context_of

from canarylab.download import MIRROR, NotPublishedError
from canarylab.errors import CanarylabError, StageError, UsageError
from canarylab.paths import cache_home
from canarylab.pins import pins
from canarylab.providers.sources.published import PublishedSources, near

SOURCES = PublishedSources()

PUBLISHED = {
    (name, version): f"{name} {version}".encode()
    for name in ("base", "istiod", "gateway")
    for version in ("1.9.0", "1.29.1", "1.30.0", "1.30.1", "1.30.10", "1.30.2", "1.31.0", "1.32.0-rc.0")
}
INDEX = f"{CHARTS}/index.yaml"
INSTALL = f"{ROLLOUTS}/v1.10.1/install.yaml"
DEFINITIONS = "/github.com/kubernetes-sigs/gateway-api/releases/download/v1.6.0/standard-install.yaml"
MANIFEST = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: argo-rollouts}
---
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: argo-rollouts}
"""
GATEWAY_API = """
# Copyright
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: httproutes.gateway.networking.k8s.io}
"""


@pytest.fixture
def server(monkeypatch):
    files = {**repository(PUBLISHED), INSTALL: MANIFEST.encode(), DEFINITIONS: GATEWAY_API.encode()}
    with FileServer(files) as running:
        monkeypatch.setenv(MIRROR, running.url)
        yield running


@pytest.fixture
def ctx():
    return context_of(cancel=FakeTime())


def kept():
    folder = cache_home() / "charts"
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


# -- charts -----------------------------------------------------------------------------------------------------------


def test_a_chart_is_fetched_by_the_index_and_kept_under_its_name_and_version(server, ctx):
    path = SOURCES.chart(ctx, "istio/base", "1.31.0")
    assert path == cache_home() / "charts" / "base-1.31.0.tgz"
    assert kept() == {"base-1.31.0.tgz": b"base 1.31.0"}
    assert server.requests == [INDEX, f"{CHARTS}/base-1.31.0.tgz"]


@pytest.mark.usefixtures("server")
def test_with_a_warm_cache_nothing_is_asked_for(ctx, monkeypatch):
    def ask():
        return (
            SOURCES.chart(ctx, "istio/base", "1.31.0"),
            SOURCES.rollouts_manifest(ctx, "1.10.1"),
            SOURCES.gateway_api_manifest(ctx, "1.6.0"),
        )

    first = ask()
    monkeypatch.setenv(MIRROR, "http://127.0.0.1:9")
    assert ask() == first


def test_an_address_in_the_index_is_one_of_the_mirror_too(server, ctx):
    entry: dict[str, Any] = {"version": "1.31.0", "digest": hashlib.sha256(b"x").hexdigest()}
    entry["urls"] = ["https://elsewhere.example/charts/base.tgz"]
    server.files = {
        INDEX: yaml.safe_dump({"entries": {"base": [entry]}}).encode(),
        "/elsewhere.example/charts/base.tgz": b"x",
    }
    assert SOURCES.chart(ctx, "istio/base", "1.31.0").read_bytes() == b"x"


@pytest.mark.parametrize("digest", ["0" * 64, "", None])
def test_a_chart_that_is_not_what_the_index_says_is_not_kept(server, ctx, digest):
    content = yaml.safe_load(index(PUBLISHED))
    for entry in content["entries"]["base"]:
        entry["digest"] = digest
    server.files[INDEX] = yaml.safe_dump(content).encode()
    with pytest.raises(StageError, match="chart base") as caught:
        SOURCES.chart(ctx, "istio/base", "1.31.0")
    assert caught.value.where == f"{server.url}{CHARTS}/base-1.31.0.tgz"
    assert hashlib.sha256(b"base 1.31.0").hexdigest() in str(caught.value.why)
    assert kept() == {}


def test_a_digest_may_say_how_it_was_made(server, ctx):
    content = yaml.safe_load(index(PUBLISHED))
    for entry in content["entries"]["base"]:
        entry["digest"] = f"sha256:{entry['digest']}"
    server.files[INDEX] = yaml.safe_dump(content).encode()
    assert SOURCES.chart(ctx, "istio/base", "1.31.0").read_bytes() == b"base 1.31.0"


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        ("1.30.7", ["1.30.10", "1.30.2", "1.30.1", "1.30.0"]),
        ("2.0.0", ["1.31.0", "1.30.10", "1.30.2", "1.30.1", "1.30.0"]),
        ("1.32.0-rc.1", ["1.32.0-rc.0"]),
        ("1.32.0", ["1.31.0", "1.30.10", "1.30.2", "1.30.1", "1.30.0"]),
    ],
)
@pytest.mark.usefixtures("server")
def test_a_version_that_is_not_published_is_answered_with_those_that_come_near(ctx, wanted, named):
    with pytest.raises(UsageError, match=f"chart base of version {wanted}") as caught:
        SOURCES.chart(ctx, "istio/base", wanted)
    assert caught.value.remedy == f"use one of {', '.join(named)}"
    assert kept() == {}


def test_where_there_are_only_pre_releases_they_are_named():
    assert near("1.0.0", ["1.1.0-rc.0", "1.1.0-rc.1"]) == ["1.1.0-rc.1", "1.1.0-rc.0"]


@pytest.mark.usefixtures("server")
def test_a_chart_that_is_not_published_is_answered_with_those_that_are(ctx):
    with pytest.raises(UsageError, match="chart 'basse'") as caught:
        SOURCES.chart(ctx, "istio/basse", "1.31.0")
    assert caught.value.remedy == "did you mean base? known: base, gateway, istiod"


@pytest.mark.parametrize("reference", ["bitnami/nginx", "base", ""])
def test_a_repository_that_nobody_knows_is_refused_without_asking(server, ctx, reference):
    with pytest.raises(UsageError, match="there is no chart repository"):
        SOURCES.chart(ctx, reference, "1.31.0")
    assert server.requests == []


@pytest.mark.parametrize("version", ["v1.31.0", "latest", "../../../1.31.0", "1.31", ""])
def test_what_is_no_version_is_refused_without_asking(server, ctx, version):
    for ask in (
        lambda: SOURCES.chart(ctx, "istio/base", version),
        lambda: SOURCES.rollouts_manifest(ctx, version),
        lambda: SOURCES.gateway_api_manifest(ctx, version),
    ):
        with pytest.raises(UsageError, match="isn't a version"):
            ask()
    assert server.requests == []


@pytest.mark.parametrize(
    "page",
    [
        b"<html><body>Please sign in: it's free</body></html>",
        b"{",
        b"",
        b"- a\n- b\n",
        b"entries: [a]",
        b"entries: {base: [{version: 1.31.0}]}",
    ],
)
def test_an_index_that_is_none_is_shown_and_not_a_bug(server, ctx, page):
    server.files[INDEX] = page
    with pytest.raises(StageError, match="the download isn't") as caught:
        SOURCES.chart(ctx, "istio/base", "1.31.0")
    assert caught.value.where == f"{server.url}{INDEX}"
    assert [path for path in server.requests if path != INDEX] == []
    assert kept() == {}


def test_a_chart_that_the_index_names_and_the_mirror_lacks_is_reported(server, ctx):
    del server.files[f"{CHARTS}/base-1.31.0.tgz"]
    with pytest.raises(NotPublishedError) as caught:
        SOURCES.chart(ctx, "istio/base", "1.31.0")
    assert caught.value.where == f"{server.url}{CHARTS}/base-1.31.0.tgz"


# -- Argo's manifest --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("server")
def test_the_manifest_becomes_the_list_that_the_stage_reads(ctx):
    path, image = SOURCES.rollouts_manifest(ctx, "1.10.1")
    assert [obj["kind"] for obj in json.loads(path.read_text())] == ["ServiceAccount", "Deployment"]
    assert image == "quay.io/argoproj/argo-rollouts:v1.10.1"
    assert list(kept()) == ["argo-rollouts-1.10.1.json"]


@pytest.mark.usefixtures("server")
def test_a_version_that_is_not_released_is_answered_with_the_one_that_is_tested(ctx):
    with pytest.raises(UsageError, match=r"1\.10\.9") as caught:
        SOURCES.rollouts_manifest(ctx, "1.10.9")
    assert f"use {pins().rollouts.removeprefix('v')}, " in str(caught.value.remedy)


@pytest.mark.parametrize("page", [b"<html>", b"", b"a: [", b"kind: Deployment", b"- 1", MANIFEST[:60].encode()])
def test_a_manifest_that_is_none_is_shown_and_not_kept(server, ctx, page):
    server.files[INSTALL] = page
    with pytest.raises(StageError, match="the download isn't") as caught:
        SOURCES.rollouts_manifest(ctx, "1.10.1")
    assert caught.value.where == f"{server.url}{INSTALL}"
    assert kept() == {}


# -- the Gateway API's definitions ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("server")
def test_the_definitions_of_the_standard_channel_become_a_list_too(ctx):
    [definition] = json.loads(SOURCES.gateway_api_manifest(ctx, "1.6.0").read_text())
    assert definition["metadata"]["name"] == "httproutes.gateway.networking.k8s.io"
    assert list(kept()) == ["gateway-api-1.6.0.json"]


@pytest.mark.usefixtures("server")
def test_definitions_that_are_not_released_are_answered_with_those_that_are_tested(ctx):
    with pytest.raises(UsageError, match=r"1\.99\.0 of the Gateway API") as caught:
        SOURCES.gateway_api_manifest(ctx, "1.99.0")
    assert f"use {pins().gateway_api}, " in str(caught.value.remedy)


@pytest.mark.parametrize("page", [b"<html>", b"", MANIFEST.encode()])
def test_definitions_that_are_none_are_shown_and_not_kept(server, ctx, page):
    server.files[DEFINITIONS] = page
    with pytest.raises(StageError, match="the download isn't") as caught:
        SOURCES.gateway_api_manifest(ctx, "1.6.0")
    assert caught.value.where == f"{server.url}{DEFINITIONS}"
    assert kept() == {}


def test_without_a_network_the_error_says_what_to_do(ctx):
    for ask in (lambda: SOURCES.chart(ctx, "istio/base", "1.31.0"), lambda: SOURCES.rollouts_manifest(ctx, "1.10.1")):
        with pytest.raises(CanarylabError) as caught:
            ask()
        assert caught.value.where
        assert str(cache_home() / "charts") in str(caught.value.remedy)
