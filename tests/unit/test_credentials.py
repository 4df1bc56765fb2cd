"""Credential programs of a kubeconfig (`exec`)."""

from __future__ import annotations

import base64
import json

import pytest
from support.api_server import ApiServer, status
from support.certificates import certificate, serving

from canarylab.errors import MachineError
from canarylab.kube.client import Cluster

VERSION = "client.authentication.k8s.io/v1"


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A certificate of the API server, and its key."""
    return certificate(tmp_path_factory.mktemp("tls"), "IP:127.0.0.1")


@pytest.fixture
def api(pair):
    with ApiServer(serving(*pair)) as server:
        server.authority = str(pair[0])
        yield server


@pytest.fixture
def program(tmp_path):
    """A program that gives the token in a file, and writes down how often it ran and what it was told."""
    script = tmp_path / "login"
    script.write_text(
        f"""#!/bin/sh
echo "$KUBERNETES_EXEC_INFO" >> {tmp_path}/told
version=$(echo "$KUBERNETES_EXEC_INFO" | sed 's/.*"apiVersion": "\\([^"]*\\)".*/\\1/')
token=$(cat {tmp_path}/token)
printf '{{"kind": "ExecCredential", "apiVersion": "%s", "status": {{"token": "%s"}}}}' "$version" "$token"
"""
    )
    script.chmod(0o755)
    (tmp_path / "token").write_text("first")
    return script


def told(tmp_path):
    return [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]


def connect(api, tmp_path, command, also=None, **exec_):
    program = {"apiVersion": VERSION, "command": str(command), "interactiveMode": "IfAvailable", **exec_}
    user = {"exec": program, **(also or {})}
    config = {
        "clusters": [{"name": "c", "cluster": {"server": api.url, "certificate-authority": api.authority}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "a", "context": {"cluster": "c", "user": "u"}}],
    }
    return Cluster(tmp_path / "kubeconfig", "a", config=config)


@pytest.mark.parametrize("version", [VERSION, "client.authentication.k8s.io/v1beta1"])
def test_the_program_is_run_once_and_its_token_sent(api, tmp_path, program, version):
    seen = []
    api.replies["GET /api/v1/namespaces"] = lambda request: (200, {"items": seen.append(request) or []})
    cluster = connect(api, tmp_path, program, apiVersion=version)
    for _ in range(3):
        cluster.list("v1", "Namespace")
    assert len(told(tmp_path)) == 1
    assert told(tmp_path)[0]["apiVersion"] == version


def test_once_the_token_is_no_longer_taken_a_new_one_is_asked_for(api, tmp_path, program):
    cluster = connect(api, tmp_path, program)
    answers = iter([status(401, "Unauthorized"), (200, {"items": []})])
    api.replies["GET /api/v1/namespaces"] = lambda _: next(answers)
    assert cluster.list("v1", "Namespace") == []
    assert len(told(tmp_path)) == 2


def test_it_is_told_about_the_cluster_only_if_it_wants_to_know(api, tmp_path, program, pair):
    connect(api, tmp_path, program)
    connect(api, tmp_path, program, provideClusterInfo=True)
    without, with_cluster = told(tmp_path)
    assert "cluster" not in without["spec"]
    authority = base64.b64encode(pair[0].read_bytes()).decode()
    assert with_cluster["spec"]["cluster"] == {"server": api.url, "certificate-authority-data": authority}
    assert not without["spec"]["interactive"], "there is no terminal here"


def test_it_gets_the_environment_that_the_kubeconfig_names(api, tmp_path):
    answer = json.dumps({"apiVersion": VERSION, "status": {"token": "t"}})
    words = ["-c", f'echo \'{answer}\'; echo "$PROFILE" > "$0/profile"', str(tmp_path)]
    connect(api, tmp_path, "sh", args=words, env=[{"name": "PROFILE", "value": "team"}])
    assert (tmp_path / "profile").read_text() == "team\n"


@pytest.mark.parametrize(
    ("exec_", "said"),
    [
        ({"command": "no-such-program-anywhere", "installHint": "brew install it"}, "brew install it"),
        ({"command": "false"}, "returned no credentials (exit code 1)"),
        ({"command": "echo", "args": ["not JSON"]}, "returned no credentials"),
        ({"command": "true", "apiVersion": "client.authentication.k8s.io/v1alpha1"}, "v1alpha1"),
    ],
)
def test_a_program_that_gives_nothing_is_named_with_what_to_do(api, tmp_path, exec_, said):
    with pytest.raises(MachineError) as caught:
        connect(api, tmp_path, **exec_)
    assert said in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "also", [{"token": "t"}, {"username": "me", "password": "p"}, {"client-certificate": "PAIR", "client-key": "PAIR"}]
)
def test_it_is_not_run_where_the_user_logs_in_otherwise(api, tmp_path, program, pair, also):
    """As client-go: plugin/pkg/client/auth/exec/exec.go, UpdateTransportConfig."""
    files = {"client-certificate": str(pair[0]), "client-key": str(pair[1])}
    api.replies["GET /readyz"] = (200, "ok")
    user = {key: files[key] if value == "PAIR" else value for key, value in also.items()}
    assert connect(api, tmp_path, program, also=user).ready() is None
    assert not (tmp_path / "told").exists()


def test_over_plain_http_it_is_not_run_and_nothing_is_sent(tmp_path, program):
    """As client-go: credentials are for TLS alone."""
    with ApiServer() as plain:
        plain.replies["GET /readyz"] = (200, "ok")
        assert connect(plain, tmp_path, program).ready() is None
    assert "authorization" not in dict(plain.requests[-1].headers)
    assert not (tmp_path / "told").exists()


def test_one_that_has_to_ask_is_not_run_without_a_terminal(api, tmp_path, program):
    with pytest.raises(MachineError, match="needs a terminal"):
        connect(api, tmp_path, program, interactiveMode="Always")
    assert not (tmp_path / "told").exists()


def test_one_that_never_asks_does_not_get_what_is_typed(api, tmp_path):
    """Else it would eat the answers that this tool waits for."""
    words = [
        "-c",
        f'cat > "$0/typed"; printf \'{{"apiVersion": "{VERSION}", "status": {{"token": "t"}}}}\'',
        str(tmp_path),
    ]
    connect(api, tmp_path, "sh", args=words, interactiveMode="Never")
    assert (tmp_path / "typed").read_text() == ""


def test_a_token_that_cannot_be_sent_is_named_and_not_printed(api, tmp_path, program):
    (tmp_path / "token").write_text("secret\\nsecret")
    with pytest.raises(MachineError) as caught:
        connect(api, tmp_path, program)
    assert "contains a line break" in str(caught.value)
    assert "secret" not in str(caught.value)
