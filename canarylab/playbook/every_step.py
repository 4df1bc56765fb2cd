"""`every-step`: options that the steps of a demonstration have in common, written once.

They are laid into the tree of the file before anything is checked, so that what is wrong with one is told with the
line where it stands.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from canarylab.contract.step import Step
from canarylab.playbook.document import Document
from canarylab.yamlfile.marks import Node
from canarylab.yamlfile.problems import choose

KEY = "every-step"


def spread(document: Document, steps: Mapping[str, type[Step]]) -> Document:
    """The same file with each step given, of what `every-step` says, the options its kind knows and it lacks.

    Raises PlaybookError for an option that no kind of step has. What isn't formed as a playbook is left as it is.
    """
    common, demo = document.root.child(KEY), document.root.child("demo")
    if common is None or not isinstance(common.value, dict):
        return document
    known = {kind: _options(cls) for kind, cls in steps.items()}
    for option in common.value:
        if not any(option in options for options in known.values()):
            every = {each for options in known.values() for each in options}
            what = "is an option of no kind of step"
            raise document.problem((KEY, option), what, choose(option, every))
    if demo is None or not isinstance(demo.value, list) or not isinstance(document.root.value, dict):
        return document
    spread_out = [_given(step, common.value, known) for step in demo.value]
    root = {**document.root.value, "demo": dataclasses.replace(demo, value=spread_out)}
    return Document(document.file, dataclasses.replace(document.root, value=root))


def _options(cls: type[Step]) -> frozenset[str]:
    return frozenset(field.alias or name for name, field in cls.Options.model_fields.items())


def _given(step: Node, common: Mapping[str, Node], known: Mapping[str, frozenset[str]]) -> Node:
    if not isinstance(step.value, dict) or len(step.value) != 1:
        return step
    [(kind, options)] = step.value.items()
    own = {} if options.value is None else options.value
    if kind not in known or not isinstance(own, dict):
        return step
    taken = {option: node for option, node in common.items() if option in known[kind]}
    return dataclasses.replace(step, value={kind: dataclasses.replace(options, value={**taken, **own})})
