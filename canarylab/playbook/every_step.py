"""`every-step`: options that the steps of a demonstration have in common, written once.

They are laid into what the file holds before anything is checked, so that an error in one names the line where it
stands.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from canarylab.contract.step import Step
from canarylab.yamlfile.document import Document
from canarylab.yamlfile.playbook_yaml import Found
from canarylab.yamlfile.problems import Place, did_you_mean

KEY = "every-step"


def add_to_steps(document: Document, steps: Mapping[str, type[Step]]) -> Document:
    """The same file with each step given, of what `every-step` says, the options its kind knows and it lacks.

    Raises PlaybookError for an option that no kind of step has. What isn't formed as a playbook is left as it is.
    """
    whole = document.value
    common, demo = (whole.get(KEY), whole.get("demo")) if isinstance(whole, dict) else (None, None)
    if not isinstance(common, dict):
        return document
    known = {kind: _options(cls) for kind, cls in steps.items()}
    for option in common:
        if not any(option in options for options in known.values()):
            every = {each for options in known.values() for each in options}
            raise document.problem((KEY, option), "isn't an option of any kind of step", did_you_mean(option, every))
    if not isinstance(demo, list):
        return document
    tree, given = dict(document.tree), list(demo)
    options = {place[1:]: found for place, found in tree.items() if place[0:1] == (KEY,) and place != (KEY,)}
    for index, step in enumerate(demo):
        kind, own = next(iter(step.items())) if isinstance(step, dict) and len(step) == 1 else ("", None)
        own = {} if own is None else own
        if kind in known and isinstance(own, dict):
            taken = {option: common[option] for option in common if option in known[kind] and option not in own}
            place: Place = ("demo", index, kind)
            tree |= {(*place, *at): found for at, found in options.items() if at[0] in taken}
            given[index] = {kind: {**taken, **own}}
            tree[place] = Found(tree[place].line, given[index][kind])
    tree[()] = Found(tree[()].line, {**whole, "demo": given})
    return dataclasses.replace(document, tree=tree)


def _options(cls: type[Step]) -> frozenset[str]:
    return frozenset(field.alias or name for name, field in cls.Options.model_fields.items())
