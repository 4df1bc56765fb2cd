"""The least provider that docs/extending.md shows: how little of the contract it has to write, and that it keeps it."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from pathlib import Path

import pytest
from support.runs import context_of
from support.there import there

from canarylab.contract import provider as contract
from canarylab.contract.playbook import ClusterSpec
from canarylab.errors import StageError
from canarylab.images.image import Wanted
from canarylab.kube.client import ApiError
from canarylab.kube.kubeconfig import user_path

pytestmark = pytest.mark.usefixtures("isolated_home")

ROOT = Path(__file__).resolve().parents[2]
MOST = 6
BASES = (contract.Infrastructure, contract.Sources, contract.Images, contract.Access, contract.Provider)

KUBECONFIG = """
clusters: [{name: c, cluster: {server: "https://127.0.0.1:9"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: somebody-elses, context: {cluster: c, user: u}}]
"""


@pytest.fixture
def example(tmp_path, monkeypatch):
    """The module that a reader of the document writes."""
    text = (ROOT / "docs" / "extending.md").read_text()
    [source] = [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "(Provider)" in block]
    file = tmp_path / "borrowed.py"
    file.write_text(source)
    spec = there(importlib.util.spec_from_file_location("borrowed", file))
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "borrowed", module)
    there(spec.loader).exec_module(module)
    return module


@pytest.fixture
def provider(example):
    user_path().parent.mkdir(exist_ok=True)
    user_path().write_text(KUBECONFIG)
    return example.BorrowedProvider(ClusterSpec(profile="unit-test", context="somebody-elses"))


@pytest.fixture
def ctx(provider):
    return context_of(*provider.infrastructure.stages(), provider=provider)


def written(module):
    """The methods and parts of the contract that the classes of a module define themselves."""
    classes = [cls for _, cls in inspect.getmembers(module, inspect.isclass) if cls.__module__ == module.__name__]
    return {
        f"{base.__name__}.{name}"
        for cls in classes
        for base in BASES
        if issubclass(cls, base)
        for name in vars(cls)
        if not name.startswith("_") and callable(getattr(base, name, None)) | isinstance(vars(base).get(name), property)
    }


def test_it_writes_few_methods_of_the_contract(example):
    assert not inspect.isabstract(example.BorrowedProvider)
    assert written(example) == {"Provider.infrastructure", "Provider.access", "Access.connect"}
    assert len(written(example)) <= MOST


def test_without_ready_made_parts_of_a_cluster_it_would_still_be_few():
    """What no part has a default for, where there are no charts, images and tunnel."""
    lacking = [*contract.Provider.__abstractmethods__, *contract.Infrastructure.__abstractmethods__]
    assert sorted(lacking) == ["access", "findings", "infrastructure", "stages"]
    assert len(lacking) + 1 <= MOST, "and `connect`, since the cluster isn't the profile's own"


def test_it_is_a_cluster_that_is_there_already(provider, ctx):
    [stage] = provider.infrastructure.stages()
    assert stage.name == "cluster"
    assert stage.changes(stage.observe(ctx)), "the profile has no kubeconfig yet"
    assert [finding.subject for finding in provider.infrastructure.findings(ctx)] == ["context", "cluster"]
    with pytest.raises(ApiError):
        provider.access.cluster(ctx).list("v1", "Namespace")
    assert provider.infrastructure.leftovers(ctx) == provider.infrastructure.purge(ctx) == []


def test_what_it_lacks_is_said_with_what_to_do(provider, ctx, tmp_path):
    sources, images, access = provider.sources, provider.images, provider.access
    for ask in (
        lambda: sources.chart(ctx, "istio/base", "1.31.0"),
        lambda: sources.rollouts_manifest(ctx, "1.10.1"),
        lambda: sources.gateway_api_manifest(ctx, "1.6.0"),
        lambda: sources.router_plugin(ctx, "a/b", "1.0.0"),
        lambda: images.deliver(ctx, Wanted(tmp_path, "localhost/app:blue", {})),
        lambda: access.check_route(ctx, "10.0.0.1"),
        lambda: access.tunnel_start(ctx),
    ):
        with pytest.raises(StageError, match="provider borrowed") as caught:
            ask()
        assert caught.value.remedy
    assert images.ours(ctx) == []
    assert images.remove(ctx, "localhost/app:blue") == "absent"
    assert sources.programs(ctx) is None
    assert access.tunnel_stop(ctx) == []
    assert not access.tunnel_status(ctx).running


def test_a_part_that_is_not_written_is_noticed(provider):
    with pytest.raises(TypeError, match="infrastructure"):
        contract.Provider(provider.spec)  # type: ignore[abstract]  # that is what is tried
