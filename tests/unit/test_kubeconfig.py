from __future__ import annotations

import copy
import os
import stat
import threading
from typing import Any

import pytest
import yaml
from support.fake_time import FakeTime

from canarylab.errors import CanarylabError
from canarylab.kube import kubeconfig
from canarylab.removal import Removal

ADMIN: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [
        {"name": "kubernetes", "cluster": {"server": "https://10.210.0.2:6443", "certificate-authority-data": "Q0E="}}
    ],
    "users": [{"name": "kubernetes-admin", "user": {"client-certificate-data": "Y2VydA==", "client-key-data": "a2V5"}}],
    "contexts": [{"name": "a@b", "context": {"cluster": "kubernetes", "user": "kubernetes-admin"}}],
    "current-context": "a@b",
}
OTHER: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "preferences": {"colors": True},
    "current-context": "work",
    "clusters": [{"name": "work", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "work", "user": {"token": "t"}}],
    "contexts": [{"name": "work", "context": {"cluster": "work", "user": "work", "namespace": "team"}}],
}
OWN = kubeconfig.renamed(ADMIN, "demo")


@pytest.fixture
def path(isolated_home):
    return isolated_home / "kube" / "config"


@pytest.fixture
def shared(path):
    """A kubeconfig in which somebody else has a cluster, and which is his."""
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(OTHER))
    return path


def read(path):
    return yaml.safe_load(path.read_text())


# -- renaming ---------------------------------------------------------------------------------------------------------


def test_cluster_user_and_context_are_called_after_the_profile():
    assert [OWN[section][0]["name"] for section in ("clusters", "users", "contexts")] == ["demo"] * 3
    assert OWN["contexts"][0]["context"] == {"cluster": "demo", "user": "demo"}
    assert OWN["clusters"][0]["cluster"]["server"] == "https://10.210.0.2:6443"
    assert OWN["users"][0]["user"] == ADMIN["users"][0]["user"]


def test_renaming_leaves_what_it_was_given_alone():
    before = copy.deepcopy(ADMIN)
    kubeconfig.renamed(ADMIN, "demo")
    assert before == ADMIN


# -- adding -----------------------------------------------------------------------------------------------------------


def test_our_context_is_added_and_everything_else_stays(shared):
    kubeconfig.add(OWN, "demo")
    config = read(shared)
    assert config["current-context"] == "work"
    assert config["preferences"] == {"colors": True}
    for section in ("clusters", "users", "contexts"):
        assert config[section] == [*OTHER[section], *OWN[section]]
    assert kubeconfig.is_merged(OWN, "demo")


def test_where_there_is_no_kubeconfig_one_is_made_without_a_current_context(path):
    assert not kubeconfig.is_merged(OWN, "demo")
    kubeconfig.add(OWN, "demo")
    assert "current-context" not in read(path)
    assert kubeconfig.is_merged(OWN, "demo")


def test_adding_again_replaces_ours_and_never_doubles_it(shared):
    kubeconfig.add(OWN, "demo")
    newer = copy.deepcopy(OWN)
    newer["users"][0]["user"]["client-key-data"] = "bmV3"
    assert not kubeconfig.is_merged(newer, "demo")
    kubeconfig.add(newer, "demo")
    assert read(shared)["users"] == [*OTHER["users"], *newer["users"]]


@pytest.mark.parametrize("mode", [0o644, 0o600])
def test_only_its_owner_can_read_it_afterwards(shared, mode):
    shared.chmod(mode)
    kubeconfig.add(OWN, "demo")
    assert stat.S_IMODE(shared.stat().st_mode) == 0o600


def test_a_folder_that_is_made_for_it_is_private(path):
    kubeconfig.add(OWN, "demo")
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_link_to_the_kubeconfig_stays_a_link(shared, tmp_path):
    target = tmp_path / "dotfiles"
    shared.rename(target)
    shared.symlink_to(target)
    kubeconfig.add(OWN, "demo")
    assert shared.is_symlink()
    assert read(target)["clusters"][-1]["name"] == "demo"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write in another user's name")
def test_with_sudo_the_kubeconfig_stays_the_users_own(shared):
    os.chown(shared, 1234, 2345)
    kubeconfig.add(OWN, "demo")
    assert (shared.stat().st_uid, shared.stat().st_gid) == (1234, 2345)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write in another user's name")
def test_with_sudo_a_new_kubeconfig_belongs_to_the_user_too(path, isolated_home):
    os.chown(isolated_home, 1234, 2345)
    kubeconfig.add(OWN, "demo")
    assert {(made.stat().st_uid, made.stat().st_gid) for made in (path, path.parent)} == {(1234, 2345)}


# -- what isn't ours --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("section", ["clusters", "users", "contexts"])
def test_a_foreign_entry_of_our_name_is_refused_and_left_as_it_is(shared, section):
    config = copy.deepcopy(OTHER)
    config[section][0]["name"] = "demo"
    shared.write_text(yaml.safe_dump(config))
    with pytest.raises(CanarylabError) as caught:
        kubeconfig.add(OWN, "demo")
    assert "named 'demo'" in caught.value.what
    assert caught.value.where == str(shared)
    assert "--profile" in str(caught.value)
    assert read(shared) == config


def test_a_foreign_entry_of_our_name_is_not_removed(shared):
    config = copy.deepcopy(OTHER)
    config["clusters"][0]["name"] = "demo"
    shared.write_text(yaml.safe_dump(config))
    assert kubeconfig.remove("demo") == []
    assert read(shared) == config


# -- removing ---------------------------------------------------------------------------------------------------------


def test_our_context_is_removed_and_the_rest_is_what_it_was(shared):
    kubeconfig.add(OWN, "demo")
    [removal] = kubeconfig.remove("demo")
    assert removal == Removal(f"context, cluster and user demo in {shared}", "removed")
    assert read(shared) == OTHER
    assert kubeconfig.remove("demo") == []


def test_two_profiles_do_not_touch_each_other(shared):
    kubeconfig.add(OWN, "demo")
    kubeconfig.add(kubeconfig.renamed(ADMIN, "demo-two"), "demo-two")
    kubeconfig.remove("demo")
    assert [entry["name"] for entry in read(shared)["contexts"]] == ["work", "demo-two"]


def test_a_current_context_that_was_ours_is_none_afterwards(shared):
    kubeconfig.add(OWN, "demo")
    config = read(shared)
    config["current-context"] = "demo"
    shared.write_text(yaml.safe_dump(config))
    kubeconfig.remove("demo")
    assert read(shared)["current-context"] == ""


def test_with_the_last_entry_the_file_goes(path):
    kubeconfig.add(OWN, "demo")
    kubeconfig.remove("demo")
    assert not path.exists()
    assert kubeconfig.remove("demo") == []


def test_nothing_is_left_of_the_last_entry_behind_a_link(path, tmp_path):
    target = tmp_path / "dotfiles"
    path.parent.mkdir()
    path.symlink_to(target)
    kubeconfig.add(OWN, "demo")
    kubeconfig.remove("demo")
    assert not target.exists()


# -- the lock ---------------------------------------------------------------------------------------------------------


def test_kubectls_lock_is_respected_and_named(shared):
    cancel = FakeTime()
    lock = shared.with_name("config.lock")
    lock.touch()
    with pytest.raises(CanarylabError) as caught:
        kubeconfig.add(OWN, "demo", cancel)
    assert f"rm {lock}" in str(caught.value)
    assert cancel.slept == pytest.approx(10, abs=0.2)
    assert read(shared) == OTHER
    assert lock.exists()


def test_the_lock_is_let_go_also_after_a_failure(shared):
    shared.write_text("a: [")
    with pytest.raises(CanarylabError) as caught:
        kubeconfig.add(OWN, "demo")
    assert isinstance(caught.value.__cause__, yaml.YAMLError)
    assert os.listdir(shared.parent) == ["config"]  # noqa: PTH208 - all names, hidden ones too


def test_profiles_that_write_at_the_same_time_lose_nothing(shared):
    profiles = [f"demo-{number}" for number in range(8)]
    threads = [
        threading.Thread(target=kubeconfig.add, args=(kubeconfig.renamed(ADMIN, profile), profile))
        for profile in profiles
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {entry["name"] for entry in read(shared)["contexts"]} == {"work", *profiles}


# -- the path ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "written"), [((), "third"), (("first",), "first"), (("second", "third"), "second"), (("third",), "third")]
)
def test_of_several_kubeconfigs_a_new_entry_goes_where_kubectl_would_put_it(monkeypatch, tmp_path, there, written):
    """Into the first that is there, else into the last: client-go, tools/clientcmd/config.go, GetDefaultFilename."""
    paths = [tmp_path / name for name in ("first", "second", "third")]
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(["", *map(str, paths)]))
    for name in there:
        (tmp_path / name).write_text(yaml.safe_dump(OTHER))
    kubeconfig.add(OWN, "demo")
    assert [path.name for path in paths if path.exists() and read(path)["contexts"][-1]["name"] == "demo"] == [written]
    assert kubeconfig.is_merged(OWN, "demo")
    assert kubeconfig.files() == [path for path in paths if path.exists()]


def test_an_entry_stays_in_its_file_and_is_taken_out_of_it(monkeypatch, tmp_path):
    """As kubectl: what is there already is changed where it is."""
    first, second = tmp_path / "first", tmp_path / "second"
    monkeypatch.setenv("KUBECONFIG", f"{first}{os.pathsep}{second}")
    kubeconfig.add(OWN, "demo")
    first.write_text(yaml.safe_dump(OTHER))
    kubeconfig.add(OWN, "demo")
    assert read(first) == OTHER
    assert kubeconfig.remove("demo") == [Removal(f"context, cluster and user demo in {second}", "removed")]
    assert not second.exists()


def test_a_foreign_entry_of_our_name_in_any_of_the_files_is_refused(monkeypatch, tmp_path):
    """Ours in an earlier file would hide it."""
    first, second = tmp_path / "first", tmp_path / "second"
    monkeypatch.setenv("KUBECONFIG", f"{first}{os.pathsep}{second}")
    first.write_text(yaml.safe_dump(OTHER))
    second.write_text(yaml.safe_dump(ADMIN | {"contexts": [{"name": "demo", "context": {"cluster": "kubernetes"}}]}))
    with pytest.raises(CanarylabError, match="named 'demo'") as caught:
        kubeconfig.add(OWN, "demo")
    assert caught.value.where == str(second)
    assert read(first) == OTHER


def test_minikube_writes_to_the_first_one_whether_it_is_there_or_not(monkeypatch, tmp_path):
    (tmp_path / "second").write_text("{}")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/first{os.pathsep}{tmp_path}/second")
    assert kubeconfig.first_path() == tmp_path / "first"


@pytest.mark.parametrize("content", [b"clusters: {a: b}", b"users: [me]", b"contexts: text", b"\xff\xfe"])
def test_a_file_that_is_no_kubeconfig_is_named_and_left_as_it_is(shared, content):
    shared.write_bytes(content)
    with pytest.raises(CanarylabError) as caught:
        kubeconfig.add(OWN, "demo")
    assert caught.value.where == str(shared)
    assert "$KUBECONFIG" in str(caught.value.remedy)
    assert shared.read_bytes() == content


def test_a_folder_in_place_of_a_kubeconfig_is_named(tmp_path):
    with pytest.raises(CanarylabError, match="Is a directory") as caught:
        kubeconfig.load(tmp_path)
    assert caught.value.where == str(tmp_path)


def test_without_the_variable_it_is_the_one_in_the_home(monkeypatch, isolated_home):
    monkeypatch.delenv("KUBECONFIG")
    assert kubeconfig.user_path() == isolated_home / ".kube" / "config"


@pytest.mark.parametrize("content", ["", "null", "[]", "just text"])
def test_a_kubeconfig_without_entries_is_an_empty_one(shared, content):
    shared.write_text(content)
    assert kubeconfig.load(shared) == {}
