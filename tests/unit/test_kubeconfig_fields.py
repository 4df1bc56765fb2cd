"""Every field of kubeconfig's v1 API is known here, and is told in docs/existing.md what becomes of it."""

from __future__ import annotations

import os
import re

import pytest
import yaml

from canarylab.errors import MachineError
from canarylab.kube.kubeconfig_fields import FIELDS, HONOURED, IGNORED, REFUSED
from canarylab.kube.kubeconfig_refusals import faults
from canarylab.paths import REPOSITORY, cache_home
from canarylab.providers.existing import user_kubeconfig

SOURCE = {
    "Config": "kind apiVersion preferences clusters users contexts current-context extensions",
    "Preferences": "colors extensions",
    "Cluster": "server tls-server-name insecure-skip-tls-verify certificate-authority certificate-authority-data "
    "proxy-url disable-compression extensions",
    "AuthInfo": "client-certificate client-certificate-data client-key client-key-data token tokenFile as as-uid "
    "as-groups as-user-extra username password auth-provider exec extensions",
    "Context": "cluster user namespace extensions",
    "NamedCluster": "name cluster",
    "NamedContext": "name context",
    "NamedAuthInfo": "name user",
    "NamedExtension": "name extension",
    "AuthProviderConfig": "name config",
    "ExecConfig": "command args env apiVersion installHint provideClusterInfo interactiveMode",
    "ExecEnvVar": "name value",
}
"""The types and fields of k8s.io/client-go v0.36.3, tools/clientcmd/api/v1/types.go, in the order of the file."""


def test_every_field_of_the_source_is_known():
    assert {kind: " ".join(fields) for kind, fields in FIELDS.items()} == SOURCE


[VERSION] = re.findall(r"=> k8s\.io/client-go (v\S+)", (REPOSITORY / "node" / "go.mod").read_text())
MODULE = cache_home() / "go" / "mod" / "k8s.io" / f"client-go@{VERSION}" / "tools/clientcmd/api/v1/types.go"
"""The source itself, where the node's programs were built on this machine: kubectl is of this version."""


@pytest.mark.skipif(
    not MODULE.exists(), reason="client-go isn't unpacked here; building the node's programs unpacks it"
)
def test_the_list_of_this_test_is_the_sources():
    structs = re.findall(r"^type (\w+) struct \{\n(.*?)^\}", MODULE.read_text(), re.MULTILINE | re.DOTALL)
    assert {kind: " ".join(re.findall(r'json:"([\w-]+)', body)) for kind, body in structs} == SOURCE


def test_the_documentation_says_of_each_field_what_becomes_of_it():
    text = (REPOSITORY / "docs" / "existing.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| `([\w-]+)` \| (\w+) \|", text, re.MULTILINE)
    assert rows == [(kind, key, field.handling) for kind, fields in FIELDS.items() for key, field in fields.items()]


def test_only_words_that_the_documentation_explains_are_used():
    assert {field.handling for fields in FIELDS.values() for field in fields.values()} == {HONOURED, IGNORED, REFUSED}


@pytest.mark.parametrize(
    ("section", "line", "said"),
    [
        ("users", "    as-groups: viewers", "as-groups: must be a list of strings"),
        ("users", "    as-groups: [viewers]", "as-groups: set without `as`, so there is no user to impersonate"),
        ("users", "    as-user-extra: {scopes: view}", "as-user-extra: must be a mapping of names to lists of strings"),
        ("users", "    tokenFile: gone", "gone can't be read: No such file or directory"),
        ("users", "    password: word", "token: both a token and a username or password are set"),
        (
            "users",
            "    auth-provider: {name: gcp}",
            "auth-provider: the login method `auth-provider: gcp` isn't supported",
        ),
        (
            "users",
            "    exec: {command: login}",
            "exec.apiVersion: the credential plugin login is set to version None",
        ),
        (
            "clusters",
            "    proxy-url: socks://127.0.0.1:1080",
            "proxy-url: unsupported scheme 'socks': use http or https or socks5",
        ),
        ("clusters", "    disable-compression: 'yes'", "disable-compression: must be true or false"),
        ("clusters", "    certificate-authority-data: ???", "certificate-authority-data: must be base64"),
        ("contexts", "    namespace: My Team", "namespace: 'My Team' isn't a valid namespace name"),
    ],
)
def test_what_is_refused_is_named_with_file_and_line_and_what_to_do(isolated_home, monkeypatch, section, line, said):
    file = isolated_home / "team.yaml"
    token = "" if "tokenFile" in line or "exec" in line else "    token: abc\n"
    parts = {
        "clusters": "clusters:\n- name: team\n  cluster:\n    server: https://127.0.0.1:9\n",
        "users": f"users:\n- name: other\n- name: me\n  user:\n    extensions: []\n{token}",
        "contexts": "contexts:\n- name: team\n  context:\n    cluster: team\n    user: me\n",
    }
    parts[section] += f"{line}\n"
    text = "apiVersion: v1\n" + "".join(parts.values())
    file.write_text(text)
    monkeypatch.setenv("KUBECONFIG", str(file))
    with pytest.raises(MachineError) as caught:
        user_kubeconfig.single("team")
    assert said in str(caught.value)
    assert caught.value.remedy
    named = line if "password" not in line else "    token: abc"
    number = text.splitlines().index(named) + 1
    assert str(caught.value.where) == f"{file}:{number}"


def test_a_secret_never_stands_in_an_error():
    users = [
        {"token": "secret\n", "password": "secret"},
        {"client-key-data": "secret!", "client-certificate-data": "secret!"},
        {"token": ["secret"], "username": "me", "password": 5, "exec": {"env": [{"name": "A", "value": ["secret"]}]}},
        {"tokenFile": "/not-there", "password": "secret", "as-uid": "1"},
    ]
    for user in users:
        found = list(faults({}, {"server": "https://x", "proxy-url": "socks://me:secret@proxy:1"}, user))
        assert len(found) > 1
        assert not [fault for fault in found if "secret" in repr(fault)]


@pytest.mark.parametrize("content", ["just text", ["a", "list"], 5])
def test_an_entry_that_is_no_mapping_is_refused(isolated_home, monkeypatch, content):
    file = isolated_home / "team.yaml"
    context = {"name": "team", "context": {"cluster": "team", "user": "me"}}
    for section in ("clusters", "users", "contexts"):
        config = {
            "clusters": [{"name": "team", "cluster": {"server": "https://127.0.0.1:9"}}],
            "users": [{"name": "me", "user": {}}],
            "contexts": [context],
        }
        config[section] = [{"name": config[section][0]["name"], section.removesuffix("s"): content}]
        file.write_text(yaml.safe_dump(config))
        monkeypatch.setenv("KUBECONFIG", str(file))
        with pytest.raises(MachineError) as caught:
            user_kubeconfig.single("team")
        assert "team.yaml:" in str(caught.value.where)


def test_a_first_file_that_is_not_there_is_passed_over(isolated_home, monkeypatch):
    file = isolated_home / "team.yaml"
    file.write_text(
        yaml.safe_dump(
            {
                "clusters": [{"name": "team", "cluster": {"server": "https://127.0.0.1:9"}}],
                "users": [{"name": "me", "user": {"token": "abc"}}],
                "contexts": [{"name": "team", "context": {"cluster": "team", "user": "me"}}],
            }
        )
    )
    monkeypatch.setenv("KUBECONFIG", f"{isolated_home}/not-there{os.pathsep}{file}")
    assert user_kubeconfig.require("team") == "team"
    assert user_kubeconfig.single("team")["users"] == [{"name": "me", "user": {"token": "abc"}}]
    assert not (isolated_home / "not-there").exists()
