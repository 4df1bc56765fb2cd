"""Reads YAML as Kubernetes' and Helm's own tools do, and says in which line it is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from canarylab.errors import StageError

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where PyYAML was built with it: eight times as fast as the one in Python."""

_DATE = "tag:yaml.org,2002:timestamp"


class _Loader(LOADER):  # type: ignore[misc]  # the base is chosen at run time
    """Without dates: JSON has none, so what looks like one is text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _DATE]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load_yaml(text: str) -> Any:
    """One document of plain values. Raises yaml.YAMLError."""
    return yaml.load(text, Loader=LOADER)


def read_documents(file: Path) -> list[Any]:
    """All documents of a file, empty ones left out. Raises StageError for what can't be read or isn't YAML."""
    try:
        return [document for document, _ in composed(file.read_text("utf-8")) if document is not None]
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        hint = "quote a name that begins with *" if "alias" in str(error) else "fix the file"
        raise StageError(f"not YAML: {error.problem}", where=f"{file}:{line}", remedy=hint) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StageError("can't be read as YAML", where=str(file), why=str(error), remedy="fix the file") from error


def composed(text: str) -> Iterator[tuple[Any, yaml.Node]]:
    """Each document as plain values, and as nodes, which have lines. Raises yaml.YAMLError."""
    loader = _Loader(text)
    while loader.check_node():
        root = loader.get_node()
        yield loader.construct_document(root), root
