"""The user's kubeconfigs, of which provider existing reads one context."""

from __future__ import annotations

import os

import pytest
import yaml
from support.api_server import ApiServer

from canarylab.errors import CanarylabError, UsageError
from canarylab.kube.client import Cluster
from canarylab.providers.existing import user_kubeconfig


def config(name="work", cluster=None, user=None, **context):
    return {
        "current-context": "elsewhere",
        "clusters": [{"name": f"{name}-c", "cluster": cluster or {"server": "https://127.0.0.1:9"}}],
        "users": [{"name": f"{name}-u", "user": user or {"token": "t"}}],
        "contexts": [{"name": name, "context": {"cluster": f"{name}-c", "user": f"{name}-u", **context}}],
    }


@pytest.fixture
def write(isolated_home, monkeypatch):
    """Write kubeconfigs into folders of their own and name them in $KUBECONFIG, in that order."""

    def make(*configs):
        files = []
        for number, content in enumerate(configs):
            folder = isolated_home / f"kube{number}"
            folder.mkdir()
            (folder / "config").write_text(yaml.safe_dump(content))
            files.append(folder / "config")
        monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, files)))
        return files

    return make


def test_contexts_come_from_every_file_that_kubectl_reads(write):
    write(config("a"), config("b"), config("a"))
    assert user_kubeconfig.contexts() == ["a", "b"]


def test_without_one_named_all_there_are_are_listed(write):
    write(config("a"), config("b"))
    with pytest.raises(UsageError) as caught:
        user_kubeconfig.require(None)
    assert "never on the current one" in str(caught.value)
    assert "there are a, b" in str(caught.value)


@pytest.mark.parametrize("name", ["c", ""])
def test_one_that_is_not_there_is_refused_with_those_that_are(write, name):
    write(config("a"), config("b"))
    with pytest.raises(UsageError) as caught:
        user_kubeconfig.require(name)
    assert repr(name) in caught.value.what
    assert "a, b" in str(caught.value.remedy)


def test_without_any_kubeconfig_there_are_none():
    with pytest.raises(UsageError) as caught:
        user_kubeconfig.require("a")
    assert str(caught.value.where) == os.environ["KUBECONFIG"]
    assert "'a'" in caught.value.what
    assert "none" in str(caught.value.remedy)


def test_the_copy_holds_that_context_and_nothing_else(write):
    write(config("a", namespace="team"), config("b"))
    assert user_kubeconfig.single("a") == {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "a",
        "clusters": [{"name": "a-c", "cluster": {"server": "https://127.0.0.1:9"}}],
        "users": [{"name": "a-u", "user": {"token": "t"}}],
        "contexts": [{"name": "a", "context": {"cluster": "a-c", "user": "a-u", "namespace": "team"}}],
    }


def test_a_user_of_another_file_is_found_and_the_first_of_a_name_wins(write):
    first = config("a")
    first["users"] = []
    write(first, config("a", user={"token": "second"}), config("a", user={"token": "third"}))
    assert user_kubeconfig.single("a")["users"][0]["user"] == {"token": "second"}


def test_files_named_beside_a_kubeconfig_are_found_from_anywhere(write, isolated_home):
    folder, elsewhere = isolated_home / "kube0", isolated_home / "elsewhere.key"
    user = {"client-certificate": "pki/me.crt", "client-key": str(elsewhere), "tokenFile": "token"}
    [file] = write(config("a", cluster={"server": "https://x", "certificate-authority": "ca.crt"}, user=user))
    (folder / "pki").mkdir()
    for path in (folder / "ca.crt", folder / "pki" / "me.crt", elsewhere, folder / "token"):
        path.write_text("x")
    copy = user_kubeconfig.single("a")
    assert copy["clusters"][0]["cluster"]["certificate-authority"] == str(file.parent / "ca.crt")
    assert copy["users"][0]["user"] == {
        "client-certificate": str(file.parent / "pki" / "me.crt"),
        "client-key": str(elsewhere),
        "tokenFile": str(file.parent / "token"),
    }


@pytest.mark.parametrize(("command", "kept"), [("aws", True), ("/opt/bin/login", True), ("./login", False)])
def test_a_credential_program_is_found_from_anywhere(write, command, kept):
    program = {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": command, "args": ["x"]}
    [file] = write(config("a", user={"exec": program}))
    found = user_kubeconfig.single("a")["users"][0]["user"]["exec"]
    assert found == {**program, "command": command if kept else str(file.parent / "./login")}


def test_a_context_without_a_user_gets_one_that_says_nothing(write):
    plain = config("a")
    del plain["contexts"][0]["context"]["user"]
    write(plain)
    copy = user_kubeconfig.single("a")
    assert copy["users"] == [{"name": "a-nobody", "user": {}}]
    assert copy["contexts"][0]["context"]["user"] == "a-nobody"


def test_a_context_without_its_cluster_is_refused(write):
    broken = config("a")
    broken["clusters"] = []
    write(broken)
    with pytest.raises(CanarylabError, match="refers to a cluster the kubeconfig doesn't have"):
        user_kubeconfig.single("a")


def test_the_dropped_way_to_log_in_is_refused_with_what_to_do(write):
    write(config("a", user={"auth-provider": {"name": "gcp"}}))
    with pytest.raises(CanarylabError) as caught:
        user_kubeconfig.single("a")
    assert "exec" in str(caught.value)
    assert caught.value.remedy


def test_reading_changes_no_kubeconfig(write):
    files = write(config("a"), config("b"))
    before = [(file.read_bytes(), file.stat().st_mtime_ns) for file in files]
    user_kubeconfig.require("a")
    user_kubeconfig.single("a")
    assert [(file.read_bytes(), file.stat().st_mtime_ns) for file in files] == before


def test_the_copy_works_before_it_is_written_anywhere(write, tmp_path):
    with ApiServer() as api:
        write(config("a", cluster={"server": api.url}))
        api.replies["GET /readyz"] = (200, "ok")
        assert Cluster(tmp_path / "nowhere", "a", config=user_kubeconfig.single("a")).ready() is None
