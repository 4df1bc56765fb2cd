"""Argo's plugins: from their releases, by a checksum that is known beforehand."""

from __future__ import annotations

import re

import pytest
from support.fake_provider import FakeProvider
from support.runs import context_of

from canarylab.download import MIRROR
from canarylab.errors import StageError, UsageError
from canarylab.providers.sources.published import CHECKSUMS, PublishedSources

NAME = "argoproj-labs/gatewayAPI"
RELEASES = "github.com/argoproj-labs/rollouts-plugin-trafficrouter-gatewayapi/releases/download"


@pytest.fixture
def provider():
    return FakeProvider()


@pytest.fixture
def ctx(provider):
    return context_of(provider=provider)


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_each_architecture_has_its_own_file_and_checksum(ctx, provider, architecture, monkeypatch):
    monkeypatch.delenv(MIRROR)
    provider.node_architecture = architecture
    plugin = PublishedSources().router_plugin(ctx, NAME, "0.17.0")
    assert plugin.location == f"https://{RELEASES}/v0.17.0/gatewayapi-plugin-linux-{architecture}"
    assert plugin.sha256 == CHECKSUMS[NAME]["0.17.0"][architecture]
    assert plugin.note == ""


def test_checksums_are_such_and_no_two_are_the_same():
    found = [digest for versions in CHECKSUMS.values() for one in versions.values() for digest in one.values()]
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in found)
    assert len(set(found)) == len(found)


def test_a_mirror_is_where_the_controller_gets_it_from_too_without_its_password(ctx, monkeypatch):
    monkeypatch.setenv(MIRROR, "https://me:secret@mirror.example/files/")
    assert (
        PublishedSources()
        .router_plugin(ctx, NAME, "0.17.0")
        .location.startswith(f"https://mirror.example/files/{RELEASES}/")
    )


def test_a_version_whose_checksum_is_not_known_is_refused_with_those_that_are(ctx):
    with pytest.raises(UsageError, match=r"0\.99\.0") as caught:
        PublishedSources().router_plugin(ctx, NAME, "0.99.0")
    assert "use 0.17.0" in str(caught.value.remedy)


def test_a_plugin_that_nobody_knows_is_refused_with_those_that_are_known(ctx):
    with pytest.raises(UsageError, match="'argoproj-labs/gatewayApi'") as caught:
        PublishedSources().router_plugin(ctx, "argoproj-labs/gatewayApi", "0.17.0")
    assert NAME in str(caught.value.remedy)


@pytest.mark.parametrize("architectures", [("amd64", "arm64"), ("s390x",), ()])
def test_nodes_for_which_one_file_cannot_do_are_refused(ctx, provider, monkeypatch, architectures):
    monkeypatch.setattr(provider, "architectures", lambda _ctx: architectures)
    with pytest.raises(StageError, match="can't be for nodes of") as caught:
        PublishedSources().router_plugin(ctx, NAME, "0.17.0")
    assert "all amd64 or all arm64" in str(caught.value.remedy)
