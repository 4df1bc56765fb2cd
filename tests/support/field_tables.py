"""Fields as a CRD has them, and as the tables of a page of docs/ name them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple


def leaves(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    """Each field that has none below it; a list's are behind `[]`."""
    item = schema.get("items", schema)
    path += "[]" if "items" in schema else ""
    for name, below in item.get("properties", {}).items():
        yield from leaves(below, f"{path}.{name}" if path else name)
    if not item.get("properties"):
        yield path


class Row(NamedTuple):
    """Of a table: the heading that it stands under, and its cells, the first of which names the fields."""

    heading: str
    cells: Sequence[str]

    def patterns(self, stand_for: Mapping[str, Sequence[str]]) -> Iterator[str]:
        """Its fields, each written out where it begins with a word that stands for several."""
        for written in re.findall(r"`([^`]+)`", self.cells[0]):
            word, _, rest = written.partition(".")
            yield from (f"{one}.{rest}" for one in stand_for[word]) if word in stand_for else (written,)


def rows(page: Path) -> list[Row]:
    """Those that are of fields."""
    heading, found = "", list[Row]()
    for line in page.read_text().splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ")
        elif line.startswith("| `"):
            found.append(Row(heading, [cell.strip() for cell in line.strip("|").split("|")]))
    return found


def is_of(field: str, pattern: str) -> bool:
    """Whether a row that names this pattern is the field's: `.*` stands for all fields below."""
    return field.startswith(pattern.removesuffix("*")) if pattern.endswith(".*") else field == pattern
