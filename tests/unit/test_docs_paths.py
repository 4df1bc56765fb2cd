"""What the texts say of where things are: every file, module and name of the package that they give is there."""

from __future__ import annotations

import importlib
import re

import pytest

from canarylab.paths import REPOSITORY

PACKAGE = REPOSITORY / "canarylab"
TEXTS = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
EXAMPLES = {
    "canarylab/stages/kinds/config_map.py",
    "canarylab/stages/kinds/node_labels.py",
    "canarylab/demo/steps/expect_nodes.py",
    "canarylab/providers/borrowed.py",
}
"""What docs/extending.md tells its readers to write."""
_PATH = re.compile(r"(?:`|\]\((?:\.\./)*)(canarylab/[\w./-]+)")
_MODULE = re.compile(r"\bcanarylab\.[a-z_]+(?:\.\w+)*")
_IMPORT = re.compile(r"from (canarylab[\w.]*) import ([\w, ]+)")


@pytest.fixture(params=TEXTS, ids=lambda file: file.relative_to(REPOSITORY).as_posix())
def text(request):
    return request.param.read_text()


def is_there(dotted):
    """Whether it is a module, or something that a module has."""
    parts = dotted.split(".")
    for most in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:most]))
        except ModuleNotFoundError:
            continue
        for name in parts[most:]:
            if not hasattr(found, name):
                return False
            found = getattr(found, name)
        return True
    return False


def test_every_path_of_the_package_is_there(text):
    named = set(_PATH.findall(text)) - EXAMPLES
    assert not [path for path in named if not (REPOSITORY / path).exists()]


def test_every_module_of_the_package_is_there(text):
    named = {match for match in _MODULE.findall(text) if not match.startswith("canarylab.dev")}
    assert not [module for module in named if not is_there(module)]


def test_every_name_that_is_imported_is_there(text):
    named = [f"{module}.{name.strip()}" for module, names in _IMPORT.findall(text) for name in names.split(",")]
    assert not [name for name in named if not is_there(name)]


def test_the_layout_names_every_room():
    rooms = {folder.parent.name for folder in PACKAGE.glob("*/__init__.py")}
    table = (REPOSITORY / "CONTRIBUTING.md").read_text().partition("### Rooms")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(\w+)/`", table.partition("|---|")[2]))
    assert named == rooms
    for path in re.findall(r"`([\w/.]+)`", table.partition("|---|")[2]):
        assert (PACKAGE / path).exists(), path


def test_every_decision_is_in_the_list_of_decisions():
    listed = (REPOSITORY / "docs" / "adr" / "README.md").read_text()
    files = [file.name for file in (REPOSITORY / "docs" / "adr").glob("0*.md")]
    assert not [name for name in files if f"]({name})" not in listed]


def test_the_glossary_is_found_and_explains_each_word_once():
    for text in ("README.md", "CONTRIBUTING.md"):
        assert "](docs/glossary.md)" in (REPOSITORY / text).read_text()
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", (REPOSITORY / "docs" / "glossary.md").read_text(), re.MULTILINE)
    words = [word for row in rows if row != "word" for word in row.split(", ")]
    assert sorted(words) == sorted(set(words))
