"""Parts: stages that several playbooks have in common, each part in a file of its own that `uses` names.

They lie in `parts/` beside the playbook; those of this repository can be used by any playbook.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from canarylab.contract.playbook import PartFile
from canarylab.paths import REPOSITORY, normal
from canarylab.playbook.reading import read_playbook
from canarylab.yamlfile.document import Document
from canarylab.yamlfile.problems import did_you_mean

SUFFIXES = (".yaml", ".yml")
"""How the names of a playbook's files end."""
_FOLDER = "parts"


@dataclass(frozen=True)
class Part:
    """A file that stages stand in: a part, or the playbook itself. Their relative paths start at `base`."""

    document: Document
    stages: Mapping[str, Mapping[str, Any]]
    base: Path


def named_files(folder: Path) -> dict[str, Path]:
    """The playbooks or parts of a folder, by the names that they are found by."""
    return {file.stem: file for file in sorted(folder.glob("*")) if file.suffix in SUFFIXES}


def base_of(file: Path) -> Path:
    """Where relative paths in a playbook start: the folder above the `playbooks` it lies in, else its own folder."""
    folder = normal(file.absolute()).parent
    return next((above.parent for above in (folder, *folder.parents) if above.name == "playbooks"), folder)


def parts_of(document: Document, names: Sequence[str]) -> list[Part]:
    """The parts that a playbook uses, in its order. Raises PlaybookError for one that isn't there, or is wrong."""
    known = _known(document.file.parent)
    for index, name in enumerate(names):
        place = ("uses", index)
        if name not in known:
            raise document.problem(place, f"there is no part {name!r}", did_you_mean(name, known))
        if name in names[:index]:
            raise document.problem(place, f"part {name!r} appears twice", "name it once")
    return [_read(known[name]) for name in names]


def _known(folder: Path) -> dict[str, Path]:
    """By name: what lies beside the playbook hides what this repository has under the same name."""
    folders = (REPOSITORY / "playbooks" / _FOLDER, folder / _FOLDER)
    return {name: file for each in folders for name, file in named_files(each).items()}


def _read(file: Path) -> Part:
    document = read_playbook(file)
    return Part(document, document.validate(PartFile, document.value).stages, base_of(file.parent))
