"""What Argo refuses in a Rollout's selector and template, only once it is there: Degraded, with InvalidSpec.

The rules are those of argo-rollouts, pkg/apis/rollouts/validation/validation.go (v1.10.1).
"""

from __future__ import annotations

from collections.abc import Iterator

from canarylab.kube.objects import Object, dig, listed
from canarylab.rollouts.validation.mistake import Mistake
from canarylab.rollouts.validation.steps import INVALID

_SELECTOR = ("spec", "selector")


def mistakes(rollout: Object) -> Iterator[Mistake]:
    """What doesn't fit between the selector and the template that it is to select; beside workloadRef, the template."""
    if dig(rollout, "spec", "workloadRef") is not None:
        meta = dig(rollout, "spec", "template", "metadata")
        if dig(meta, "labels") or dig(meta, "annotations"):
            yield Mistake(
                ("spec", "template"),
                "it stands beside workloadRef, which has a template of its own",
                f"{INVALID}template must be empty for workload reference rollout",
                "take one of template and workloadRef out",
            )
        return
    wanted = dig(rollout, *_SELECTOR, "matchLabels")
    if not wanted and not dig(rollout, *_SELECTOR, "matchExpressions"):
        yield Mistake(
            _SELECTOR,
            "it selects nothing",
            f"{INVALID}a Rollout needs a selector of its pods",
            "write `selector: {matchLabels: {app: NAME}}`, with labels that spec.template has",
        )
    for key, value in wanted.items() if isinstance(wanted, dict) else ():
        found = dig(rollout, "spec", "template", "metadata", "labels", key)
        if found != value:
            has = f"no label {key}" if found is None else f"{key}={found}"
            yield Mistake(
                (*_SELECTOR, "matchLabels", key),
                f"it wants {key}={value}, and spec.template has {has}",
                f"{INVALID}`selector` does not match template `labels`",
                "give spec.template.metadata.labels the labels that the selector asks for",
            )
    yield from _expressions(rollout)


def _expressions(rollout: Object) -> Iterator[Mistake]:
    labels = dig(rollout, "spec", "template", "metadata", "labels")
    for index, expression in enumerate(listed(rollout, *_SELECTOR, "matchExpressions")):
        key, operator = dig(expression, "key"), dig(expression, "operator")
        found, values = dig(labels, str(key)), listed(expression, "values")
        what = f"it wants {key} {operator} {', '.join(map(str, values))}".rstrip()
        if operator not in ("In", "NotIn", "Exists", "DoesNotExist") or bool(values) != operator.endswith("In"):
            yield Mistake(
                (*_SELECTOR, "matchExpressions", index),
                f"{what}, which isn't a condition",
                f"{INVALID}invalid label selector",
                "write one of In and NotIn with a list of values, or one of Exists and DoesNotExist without",
            )
        elif (found in values if values else found is not None) != (operator in ("In", "Exists")):
            yield Mistake(
                (*_SELECTOR, "matchExpressions", index),
                f"{what}, and spec.template has {f'no label {key}' if found is None else f'{key}={found}'}",
                f"{INVALID}`selector` does not match template `labels`",
                "give spec.template.metadata.labels the labels that the selector asks for",
            )
