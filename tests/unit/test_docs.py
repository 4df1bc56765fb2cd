"""What the pages say can be followed: links, anchors, commands with their flags, and programs that CI runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from invoke import Collection
from invoke.loader import FilesystemLoader

REPOSITORY = Path(__file__).resolve().parents[2]
_FOLDERS = ("benchmarks", "docs", "images", "manifests", "node", "playbooks", "tests")
PAGES = sorted(
    [*REPOSITORY.glob("*.md"), *(page for folder in _FOLDERS for page in (REPOSITORY / folder).rglob("*.md"))]
)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_COMMAND = re.compile(r"invoke ((?:--)?[a-z][^`\n#|&;)\"]*)")


def _name(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


def _without_code(text: str) -> str:
    """What is quoted as code holds no link."""
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def _anchors(page: Path) -> set[str]:
    """As GitHub makes them: lower case, no punctuation but hyphens and underscores, a number from the second on."""
    found: dict[str, int] = {}
    anchors = set()
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for heading in re.findall(r"^#{1,6} +(.+?) *$", text, re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        anchors.add(f"{slug}-{found[slug]}" if slug in found else slug)
        found[slug] = found.get(slug, 0) + 1
    return anchors


def _broken(page: Path) -> Iterator[str]:
    for link in _LINK.findall(_without_code(page.read_text())):
        if re.match("[a-z]+:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists():
            yield f"{link}: there is no such file"
        elif anchor and anchor not in _anchors(target):
            yield f"{link}: there is no such heading"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert list(_broken(page)) == []


@pytest.fixture(scope="module")
def tasks() -> Collection:
    module, _ = FilesystemLoader(start=str(REPOSITORY)).load("tasks")
    return Collection.from_module(module)


def _commands() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for command in _COMMAND.findall(page.read_text()):
            yield _name(page), command.strip()


def _unknown(command: str, tasks: Collection) -> list[str]:
    """Its words that Invoke would refuse: tasks and flags that there are not."""
    task, unknown = None, []
    for word in command.split():
        if word in tasks.task_names:
            task = tasks[word]
        elif word.startswith("--") and task is not None:
            flags = {flag for argument in task.get_arguments() for flag in _flags(argument.names)}
            unknown += [] if word.partition("=")[0].rstrip(".,:") in flags else [word]
    return unknown


def _flags(names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        yield f"--{name.strip('_').replace('_', '-')}"


def test_every_flag_of_a_command_is_one_of_its_tasks(tasks: Collection) -> None:
    found = [(page, command) for page, command in _commands() if _unknown(command, tasks)]
    assert found == []


def test_the_pages_name_commands_and_each_begins_with_a_task(tasks: Collection) -> None:
    first = {command.split()[0] for _, command in _commands()}
    assert set(tasks.task_names) <= first
    assert {word for word in first if word.startswith("--")} <= {"--list", "--help", "--print-completion-script"}


def test_every_program_that_the_pages_name_is_run_by_a_test() -> None:
    """A test that runs a program names its file, or the module behind `python -m`."""
    pages = "\n".join(page.read_text() for page in PAGES)
    named = {*re.findall(r"\b((?:benchmarks|docs|requirements)/\w+\.(?:py|sh))\b", pages)}
    named |= {*re.findall(r"python -m (canarylab[\w.]+)", pages)}
    assert {"benchmarks/run.py", "benchmarks/demos.py", "canarylab.playbook.schema"} <= named
    tests = "\n".join(
        file.read_text() for file in (REPOSITORY / "tests").rglob("test_*.py") if file.name != Path(__file__).name
    )
    assert {name for name in named if name not in tests} == set()


@pytest.mark.parametrize(
    "program", [*REPOSITORY.glob("benchmarks/[dwr]*.py"), *REPOSITORY.glob("docs/*.py")], ids=_name
)
def test_every_program_finds_what_it_imports(program: Path) -> None:
    """Those that need a cluster are run by tests/e2e; that their imports are right is seen without one."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    argv = [sys.executable, str(program), "--help"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: ")
