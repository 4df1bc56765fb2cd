"""A mistake in a manifest, and the error that says where in which file it stands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from canarylab.errors import StageError
from canarylab.kube.objects import Object
from canarylab.yamlfile.fast import LOADER
from canarylab.yamlfile.problems import Place, key_path, located


@dataclass(frozen=True)
class Mistake:
    """What is wrong at a place of an object, what would come of it, and what to write instead."""

    place: Place
    what: str
    why: str
    remedy: str

    def error(self, file: Path, obj: Object) -> StageError:
        subject = f"{obj['kind']} {obj['metadata']['name']}"
        return StageError(
            f"{subject}: {key_path(self.place)}: {self.what}",
            where=located(file, line_of(file, obj, self.place)),
            why=self.why,
            remedy=self.remedy,
        )


def line_of(file: Path, obj: Object, place: Place) -> int:
    """The line of a place in an object, from 1; of what is above it where it isn't there itself."""
    for root in yaml.compose_all(file.read_text("utf-8"), LOADER):
        if _scalar_at(root, "kind") == obj["kind"] and _scalar_at(root, "metadata", "name") == obj["metadata"]["name"]:
            return _deepest(root, place)
    return 1


def _deepest(node: yaml.Node, place: Place) -> int:
    line = node.start_mark.line + 1
    for part in place:
        found = _child(node, part)
        if found is None:
            break
        line, node = found
    return line


def _child(node: yaml.Node, part: str | int) -> tuple[int, yaml.Node] | None:
    """What stands under a key or at a position, with its line: that of the key, where there is one."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == part:
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line + 1, node.value[part]
    return None


def _scalar_at(node: yaml.Node, *path: str) -> str | None:
    for part in path:
        found = _child(node, part)
        if found is None:
            return None
        _, node = found
    return str(node.value) if isinstance(node, yaml.ScalarNode) else None
