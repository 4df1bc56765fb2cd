"""A mistake in a manifest, and the error that says where in which file it stands."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

import yaml

from canarylab.errors import StageError
from canarylab.kube.objects import Object, dig
from canarylab.yamlfile.kubernetes_yaml import composed, load_yaml
from canarylab.yamlfile.problems import Place, key_path, located

_INVALID = "Argo would take the Rollout and leave it Degraded, with InvalidSpec: "
"""What comes of most mistakes: the controller, not the API server, looks at them."""


@dataclass(frozen=True)
class Mistake:
    """What is wrong at a place of an object, what would come of it, and what to write instead."""

    place: Place
    what: str
    why: str
    remedy: str
    inside: tuple[Path, Object] | None = None
    """File and object in which it stands, where that isn't the one that was looked at."""
    absent_from: str | None = None
    """The namespace in which an object isn't, "" for all of the cluster; None where nothing is missing."""

    @property
    def is_refused(self) -> bool:
        """Whether Argo would refuse the Rollout for it."""
        return self.why.startswith(_INVALID)

    def where(self, file: Path, obj: Object) -> str:
        """FILE:LINE of its place, given the object that was looked at and its file."""
        return place_in(*(self.inside or (file, obj)), self.place)

    def error(self, file: Path, obj: Object) -> StageError:
        """The error for it, which names the line in the file."""
        _, told_of = self.inside or (file, obj)
        subject = f"{told_of['kind']} {told_of['metadata']['name']}"
        return StageError(
            f"{subject}: {key_path(self.place)}: {self.what}",
            where=self.where(file, obj),
            why=self.why,
            remedy=self.remedy,
        )


def mistake(name: str, place: Place, /, **words: object) -> Mistake:
    """The mistake of that name in mistakes.yaml, with the words that its texts ask for."""
    texts = {key: Template(text).substitute(words) for key, text in _texts()[name].items()}
    why = texts["why"] if "why" in texts else _INVALID + texts["invalid"]
    return Mistake(place, texts["what"], why, texts["remedy"])


@functools.cache
def _texts() -> Mapping[str, Mapping[str, str]]:
    """By name, as they are written."""
    texts: dict[str, dict[str, str]] = load_yaml(Path(__file__).with_name("mistakes.yaml").read_text("utf-8"))
    return texts


def place_in(file: Path, obj: Object, place: Place) -> str:
    """A place in an object as FILE:LINE."""
    return located(file, line_of(file, obj, place))


def line_of(file: Path, obj: Object, place: Place) -> int:
    """The line of a place in an object, from 1; of what is above it where it isn't there itself."""
    named = [
        (dig(document, "metadata", "namespace"), root)
        for document, root in composed(file.read_text("utf-8"))
        if all(dig(document, *path) == dig(obj, *path) for path in (("kind",), ("metadata", "name")))
    ]
    for namespace in (dig(obj, "metadata", "namespace"), None):  # one that names none is of the stage's
        if root := next((root for where, root in named if where == namespace), None):
            return _line(root, place)
    return 1


def _line(node: yaml.Node, place: Place) -> int:
    """That of a key, where there is one."""
    line = node.start_mark.line
    for part in place:
        if isinstance(node, yaml.MappingNode):
            below = {key.value: (key, value) for key, value in node.value}
        else:
            below = dict(enumerate((item, item) for item in node.value)) if isinstance(node, yaml.SequenceNode) else {}
        if part not in below:
            break
        first, node = below[part]
        line = first.start_mark.line
    return line + 1
