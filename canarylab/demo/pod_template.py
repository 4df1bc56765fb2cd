"""Sets images in a Rollout's pod template, as one update however many containers there are."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from canarylab.contract.context import Context
from canarylab.demo import plugin
from canarylab.errors import ExpectationError
from canarylab.kube.client import ApiError
from canarylab.kube.objects import Object, dig, identity, listed
from canarylab.rollouts.causes import refusals
from canarylab.rollouts.view import get_rollout

_CONTAINERS = ("containers", "initContainers")
_TEMPLATE = ("spec", "template", "spec")
_CONFLICT = 409
_TRIES = 5


def set_images(ctx: Context, namespace: str, rollout: str, images: Mapping[str, str]) -> str:
    """Give each of the containers, init containers among them, its image. In words, what was done.

    One is set by Argo's plugin. It takes one at a time, and each would begin an update of its own, so several are
    written at once: into the Rollout, or into the Deployment that it has its template from (workloadRef).
    """
    if len(images) == 1:
        [(container, image)] = images.items()
        return plugin.run(ctx, plugin.plugin(ctx).set_image(namespace, rollout, container, image))
    for attempt in itertools.count(1):
        found = template_owner(ctx, get_rollout(ctx, namespace, rollout))
        try:
            with refusals.explained(ctx, f"{found['kind']} {found['metadata']['name']}", namespace):
                ctx.cluster.patch(*identity(found), _patch(found, images), namespace)
        except ApiError as error:
            if error.code != _CONFLICT or attempt == _TRIES:  # somebody else has written it meanwhile
                raise
        else:
            break
    return f"{found['kind'].lower()} {found['metadata']['name']!r} images updated: {', '.join(images)}"


def template_owner(ctx: Context, rollout: Object) -> Object:
    """The object that has the pod template: the Rollout, or the workload that it refers to.

    Raises ExpectationError where that isn't there.
    """
    reference, namespace = dig(rollout, "spec", "workloadRef"), rollout["metadata"]["namespace"]
    if reference is None:
        return rollout
    found = ctx.cluster.get(reference["apiVersion"], reference["kind"], reference["name"], namespace)
    if found is None:
        raise ExpectationError(
            f"there is no {reference['kind']} {namespace}/{reference['name']}",
            why=f"Rollout {rollout['metadata']['name']} has its template from there (spec.workloadRef)",
            remedy=f"`{ctx.command('up')}` brings it up",
        )
    return found


def _patch(owner: Object, images: Mapping[str, str]) -> dict[str, Any]:
    """The lists of containers with other images, for exactly this version of the object."""
    lists = {key: _changed(listed(owner, *_TEMPLATE, key), images) for key in _CONTAINERS}
    there = {key: changed for key, changed in lists.items() if changed}
    return {
        "metadata": {"resourceVersion": owner["metadata"].get("resourceVersion")},
        "spec": {"template": {"spec": there}},
    }


def _changed(containers: Sequence[Any], images: Mapping[str, str]) -> list[Any]:
    return [{**one, "image": images[one["name"]]} if one["name"] in images else one for one in containers]
