"""Istio's webhooks: for which labels they give sidecars, and what is said where none does."""

from __future__ import annotations

import pytest
from support.istio_webhooks import webhooks

from canarylab.kube.injectors import are_for, asked_by, injectors, revisions


def labelled(labels):
    return {"metadata": {"name": "shop", "labels": labels}}


ENABLED, REV = {"istio-injection": "enabled"}, {"istio.io/rev": "1-30"}


@pytest.mark.parametrize(
    ("namespace", "pod", "asked"),
    [
        (ENABLED, {}, True),
        ({"istio.io/rev": "default"}, {}, True),
        (REV, {}, False),
        ({**REV, **ENABLED}, {}, True),
        ({**REV, "istio-injection": "disabled"}, {}, False),
        ({}, {}, False),
        ({}, {"istio.io/rev": "default"}, True),
        ({}, REV, False),
        ({}, {"sidecar.istio.io/inject": "true"}, True),
        (ENABLED, {"sidecar.istio.io/inject": "false"}, False),
    ],
)
def test_the_default_revision_is_for_these_and_no_others(namespace, pod, asked):
    assert are_for(injectors([webhooks()]), labelled(namespace), labelled(pod)) is asked


def test_another_revision_is_not_for_the_plain_label():
    hooks = injectors([webhooks("1-31")])
    assert not are_for(hooks, labelled(ENABLED), labelled({}))
    assert are_for(hooks, labelled({"istio.io/rev": "1-31"}), labelled({}))


def test_a_tag_is_named_beside_the_revisions():
    hooks = injectors([webhooks("1-31"), webhooks("1-31", tag="prod"), webhooks()])
    assert revisions(hooks) == ["1-31", "default", "prod"]
    assert are_for(hooks, labelled({"istio.io/rev": "prod"}), labelled({}))


def test_webhooks_of_others_are_none():
    other = {"webhooks": [{"name": "inject.vault.example"}, {"name": "validation.istio.io"}]}
    assert injectors([other, {"webhooks": None}]) == []


@pytest.mark.parametrize(
    ("namespace", "pod", "said"),
    [
        ({**REV, **ENABLED}, {}, "istio-injection=enabled"),
        (REV, {"istio.io/rev": "other"}, "istio.io/rev=1-30"),
        ({}, {"istio.io/rev": "other"}, "istio.io/rev=other"),
        ({}, {"sidecar.istio.io/inject": "true"}, "sidecar.istio.io/inject=true"),
        ({}, {}, "no label"),
    ],
)
def test_the_label_that_istio_goes_by_is_named(namespace, pod, said):
    assert asked_by(labelled(namespace), labelled(pod)) == said
