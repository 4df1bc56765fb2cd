"""Keeps tests away from the user's own files and from the internet.

Home, cache, state and kubeconfig lie in the test's folder; what would be fetched is asked for where nothing answers.
"""

from __future__ import annotations

import pytest


@pytest.fixture
def isolated_home(tmp_path_factory, monkeypatch):
    """A home of the test's own. It is short, since the path of a socket may not be long."""
    home = tmp_path_factory.mktemp("h")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    monkeypatch.setenv("KUBECONFIG", str(home / "kube" / "config"))
    monkeypatch.setenv("CANARYLAB_MIRROR", "http://127.0.0.1:9/nobody")
    monkeypatch.delenv("CANARYLAB_PATIENCE", raising=False)
    return home
