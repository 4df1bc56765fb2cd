"""Which file uses which HTTP client: the rule of docs/adr/0020-http-clients.md."""

from __future__ import annotations

import ast
import functools

from canarylab.paths import REPOSITORY

PACKAGE = REPOSITORY / "canarylab"


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


@functools.cache
def imports():
    """What each file of the package imports."""
    files = sorted(PACKAGE.rglob("*.py"))
    return {file.relative_to(PACKAGE).as_posix(): [*imported(ast.parse(file.read_text()))] for file in files}


def users(client):
    """The files of the package, or the folders of kube/, that import a client."""
    for name, modules in imports().items():
        if any(f"{module}.".startswith(f"{client}.") for module in modules):
            yield "kube/" if name.startswith("kube/") else name


def test_requests_fetches_what_comes_from_outside():
    assert set(users("requests")) == set(users("urllib3")) == {"download.py"}


def test_httpx_asks_the_cluster_and_its_registry():
    assert set(users("httpx2")) == {"kube/", "providers/existing/registry.py"}


def test_there_is_no_third():
    assert set(users("http.client.HTTPException")) == set(users("http")) == {"tools/supervisord.py"}
    assert not [*users("urllib.request"), *users("aiohttp"), *users("httpx"), *users("httpcore2")]
