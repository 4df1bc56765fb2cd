"""`teardown --purge` on the embedded provider: what profiles share goes only while nobody needs it."""

from __future__ import annotations

import pytest
from support.fake_runner import FakeRunner
from support.runs import context_of

from canarylab.cancel import Cancel
from canarylab.contract.playbook import ClusterSpec
from canarylab.lock import queued
from canarylab.paths import cache_home, state_home
from canarylab.providers.embedded import EmbeddedProvider
from canarylab.providers.embedded.machine import STAMP
from canarylab.providers.embedded.programs.built import built

pytestmark = pytest.mark.usefixtures("isolated_home")


def purge():
    provider = EmbeddedProvider(ClusterSpec(profile="unit-test"))
    return provider.infrastructure.purge(context_of(provider=provider, runner=FakeRunner({"chmod -R u+w": ""})))


@pytest.fixture
def cached():
    folder = built().folder
    folder.mkdir(parents=True)
    return folder


def test_unused_programs_go(cached):
    assert [removal.outcome for removal in purge()] == ["removed"]
    assert not cached.exists()
    assert not cache_home().exists()


def test_programs_of_another_profile_stay(cached):
    stamp = state_home() / "other" / STAMP
    stamp.parent.mkdir(parents=True)
    stamp.touch()
    assert [(removal.outcome, removal.reason) for removal in purge()] == [("left", "used by other")]
    assert cached.exists()


def test_programs_that_are_being_built_stay(cached):
    with queued(cached.with_name("lock"), Cancel(), lambda: None):
        assert [(removal.outcome, removal.reason) for removal in purge()] == [
            ("left", "another run builds them at this moment")
        ]
    assert cached.exists()
