"""What follows from whose cluster it is."""

from __future__ import annotations

import inspect

import pytest
from support.borrowed import BorrowedProvider
from support.fake_cluster import FakeCluster
from support.fake_provider import FakeProvider
from support.runs import Scripted, context_of

from canarylab.contract.ownership import Ownership
from canarylab.kube.objects import OWNER_LABEL
from canarylab.ownership.policy import GuestCluster


def context(provider):
    return context_of(Scripted("a"), provider=provider(FakeCluster()))


def test_a_guest_answers_every_question_for_itself():
    asked = {name for name, _ in inspect.getmembers(Ownership) if not name.startswith("_")}
    assert asked <= set(vars(GuestCluster))


def deployment(name, **labels):
    meta = {"name": name, "namespace": "ns", "labels": labels}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta}


@pytest.mark.parametrize(("provider", "others"), [(FakeProvider, []), (BorrowedProvider, ["theirs"])])
def test_only_a_cluster_that_others_use_has_something_of_others(provider, others):
    ctx = context(provider)
    ctx.cluster.apply(deployment("ours", **{OWNER_LABEL: ctx.profile}))
    ctx.cluster.apply(deployment("theirs", app="x"))
    assert [obj["metadata"]["name"] for obj in ctx.ownership.others(ctx, "apps/v1", "Deployment")] == others


def test_a_proxy_is_asked_only_on_the_way_to_somebody_elses_cluster():
    assert context(FakeProvider).ownership.environment() == {"NO_PROXY": "*", "no_proxy": "*"}
    assert context(BorrowedProvider).ownership.environment() == {}


def test_the_profiles_of_a_cluster_that_others_use_dont_share_what_was_applied():
    assert context(FakeProvider).ownership.applied_name(context(FakeProvider)) == "canarylab"
    ctx = context(BorrowedProvider)
    assert ctx.ownership.applied_name(ctx) == f"canarylab-{ctx.profile}"
