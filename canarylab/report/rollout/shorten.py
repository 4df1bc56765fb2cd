"""Names that are too long, shortened where they tell least. Pure: all of them are in ASCII."""

from __future__ import annotations

from collections.abc import Sequence

from canarylab.rollouts.revisions import RevisionView

_DIGEST = 12
"""Characters of a digest that are shown, as `docker images` does."""


def at_the_front(text: str, width: int, ellipsis: str) -> str:
    """For images: what tells them apart stands at their end."""
    if len(text) <= width:
        return text
    return (ellipsis + text[len(text) - max(0, width - len(ellipsis)) :])[: max(0, width)]


def in_the_middle(text: str, width: int, ellipsis: str) -> str:
    """For what begins with what it is and ends with what is its alone: a pod's name, a container's error."""
    if len(text) <= width:
        return text
    tail = max(0, width - len(ellipsis)) * 2 // 3
    head = max(0, width - len(ellipsis) - tail)
    return (text[:head] + ellipsis + text[len(text) - tail :])[: max(0, width)]


def images(one: RevisionView, among: Sequence[RevisionView]) -> str:
    """Those in which it differs from the other revisions, as a sidecar's doesn't; without registry and path."""
    common = set.intersection(*(set(each.images.values()) for each in among))
    own = [image for image in one.images.values() if image not in common] or [*one.images.values()]
    return ", ".join(_bare(image) for image in own)


def _bare(image: str) -> str:
    name, _, digest = image.rpartition("/")[2].partition("@")
    return f"{name}@{digest.partition(':')[2][:_DIGEST]}" if digest else name
