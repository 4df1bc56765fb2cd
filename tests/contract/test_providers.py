"""The contract of a provider, for every one that is discovered, on a machine on which nothing of it is there."""

from __future__ import annotations

import inspect
import os
import re

import pytest
from support.provider_samples import PROVIDERS, provider_on_nothing

from canarylab.contract.ownership import Ownership
from canarylab.contract.playbook import ClusterSpec
from canarylab.contract.provider import Finding
from canarylab.contract.stage import StageOptions
from canarylab.engine import bring_up
from canarylab.errors import CanarylabError, NotYetObservableError
from canarylab.kube.client import ApiError

pytestmark = pytest.mark.usefixtures("isolated_home")

SYSTEMS = ("Linux", "Darwin", "Windows", "FreeBSD")


@pytest.fixture(params=sorted(PROVIDERS))
def cls(request):
    return PROVIDERS[request.param]


@pytest.fixture
def there(cls):
    return provider_on_nothing(cls)


@pytest.fixture
def provider(there):
    return there[0]


@pytest.fixture
def ctx(there):
    return there[1]


def files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


# -- what a provider says of itself -----------------------------------------------------------------------------------


def test_it_is_named_as_playbooks_name_things_and_says_what_it_is(cls):
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", cls.name)
    assert len((inspect.getmodule(cls).__doc__ or "").partition("\n\n")[0]) > 20
    assert isinstance(cls.ownership, Ownership)


@pytest.mark.parametrize("system", SYSTEMS)
def test_it_knows_whether_it_fits_a_system(cls, system):
    assert isinstance(cls.fits(system), bool)


@pytest.mark.parametrize("system", SYSTEMS)
def test_no_two_providers_are_the_default_of_one_system(system):
    assert len([name for name, cls in PROVIDERS.items() if cls.fits(system)]) <= 1


def test_linux_has_a_default():
    assert [name for name, cls in PROVIDERS.items() if cls.fits("Linux")] == ["embedded"]


# -- its stages -------------------------------------------------------------------------------------------------------


def test_its_stages_are_in_order_and_the_last_is_the_cluster(provider):
    names = [stage.name for stage in provider.infrastructure.stages()]
    assert names[-1] == "cluster"
    assert len(set(names)) == len(names)
    for position, stage in enumerate(provider.infrastructure.stages()):
        assert set(stage.needs) <= set(names[:position])


def test_what_images_need_are_stages_of_its_own(provider):
    assert provider.images.needs
    assert set(provider.images.needs) <= {stage.name for stage in provider.infrastructure.stages()}


def test_its_stages_keep_the_contract_of_a_stage(provider):
    for stage in provider.infrastructure.stages():
        assert stage.kind == stage.name
        assert issubclass(stage.Options, StageOptions)
        assert not stage.in_cluster
        assert stage.default_deadline > 0
        assert type(stage).__doc__


def test_on_nothing_a_plan_says_that_all_of_it_would_be_made(provider, ctx, isolated_home):
    before = files(isolated_home)
    run = bring_up.plan(ctx, provider.infrastructure.stages())
    assert {name: outcome.state for name, outcome in run.outcomes.items()} == {
        stage.name: "planned" for stage in provider.infrastructure.stages()
    }, [outcome.reason for outcome in run.outcomes.values()]
    assert files(isolated_home) == before


def test_what_its_stages_would_change_follows_from_what_was_observed_alone(provider, ctx):
    for stage in provider.infrastructure.stages():
        observed = stage.observe(ctx.for_stage(stage.name, ctx.deadline))
        first, second = stage.changes(observed), stage.changes(observed)
        assert first == second
        assert first
        assert all(change.subject and change.reason for change in first)


def test_removing_nothing_finds_nothing_and_changes_nothing(provider, ctx, isolated_home):
    before = files(isolated_home)
    for stage in reversed(provider.infrastructure.stages()):
        assert stage.remove(ctx.for_stage(stage.name, ctx.deadline)) == []
    assert provider.infrastructure.leftovers(ctx) == []
    assert provider.infrastructure.purge(ctx) == []
    assert files(isolated_home) == before


# -- before there is a cluster ----------------------------------------------------------------------------------------


def test_there_is_no_cluster_to_talk_to(provider, ctx):
    """One that isn't ours may only be out of reach: that nothing is there mustn't be taken from it."""
    with pytest.raises(NotYetObservableError if provider.ownership.is_deleted_whole else ApiError) as caught:
        provider.access.cluster(ctx).list("v1", "Namespace")
    assert caught.value.what


def test_there_are_no_images_and_none_to_remove(provider, ctx):
    assert provider.images.ours(ctx) == []
    assert provider.images.remove(ctx, "localhost/nobody/has:it") == "absent"


def test_there_is_no_tunnel_and_none_to_stop(provider, ctx):
    status = provider.access.tunnel_status(ctx)
    assert (status.running, status.pid, status.addresses) == (False, None, {})
    assert provider.access.tunnel_stop(ctx) == []


def test_no_address_is_taken_for_one_of_the_cluster(provider, ctx):
    with pytest.raises(CanarylabError) as caught:
        provider.access.check_route(ctx, "10.210.128.10")
    assert caught.value.remedy


def test_what_it_does_not_have_is_refused_with_what_to_do(provider, ctx):
    for ask in (
        lambda: provider.sources.chart(ctx, "nobody/has-this-chart", "0.0.0"),
        lambda: provider.sources.rollouts_manifest(ctx, "0.0.0"),
        lambda: provider.sources.gateway_api_manifest(ctx, "0.0.0"),
        lambda: provider.sources.router_plugin(ctx, "nobody/has-this-plugin", "0.0.0"),
    ):
        with pytest.raises(CanarylabError) as caught:
            ask()
        assert caught.value.remedy


def test_its_architecture_is_named_as_go_names_it(provider, ctx):
    if not provider.ownership.is_deleted_whole:
        with pytest.raises(ApiError):  # its nodes have to be asked
            provider.images.architectures(ctx)
        return
    found = provider.images.architectures(ctx)
    assert found
    assert set(found) <= {"amd64", "arm64"}


def test_a_second_one_sees_the_same(cls, provider, ctx):
    """It keeps nothing that can't be read again from the machine."""
    second, other_ctx, _ = provider_on_nothing(cls)
    assert second.access.tunnel_status(other_ctx) == provider.access.tunnel_status(ctx)
    assert [stage.name for stage in second.infrastructure.stages()] == [
        stage.name for stage in provider.infrastructure.stages()
    ]


# -- findings ---------------------------------------------------------------------------------------------------------


def as_it_is(_monkeypatch, _folder):
    """This machine."""


def bad(monkeypatch, folder):
    """A user without rights on a strange system with nothing installed."""
    monkeypatch.setattr("platform.system", lambda: "Plan9")
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(folder))


def failing(monkeypatch, _folder):
    """A machine on which whatever is tried fails."""
    monkeypatch.setattr("support.fake_runner.FakeRunner._answer", lambda _self, _line: 32)


@pytest.mark.parametrize("machine", [as_it_is, bad, failing])
def test_looking_at_the_machine_changes_nothing_and_every_bad_finding_has_a_remedy(
    cls, machine, monkeypatch, tmp_path, isolated_home
):
    machine(monkeypatch, tmp_path)
    provider, ctx, _ = provider_on_nothing(cls)
    before = files(isolated_home)
    findings = provider.infrastructure.findings(ctx)
    assert findings
    assert all(isinstance(finding, Finding) and finding.subject and finding.seen for finding in findings)
    assert [finding.subject for finding in findings if not finding.ok and not finding.remedy] == []
    assert files(isolated_home) == before
    assert machine is not bad or any(finding.fatal and not finding.ok for finding in findings)


def test_two_findings_are_not_about_the_same(provider, ctx):
    subjects = [finding.subject for finding in provider.infrastructure.findings(ctx)]
    assert len(set(subjects)) == len(subjects)


def test_every_provider_can_be_made_from_a_cluster_with_nothing_but_a_profile(cls):
    assert cls(ClusterSpec(profile="contract-test")).spec.profile == "contract-test"
