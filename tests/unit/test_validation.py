from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.runs import context_of

from canarylab.errors import StageError
from canarylab.paths import REPOSITORY
from canarylab.rollouts.validation.manifests import refuse_known_bad
from canarylab.rollouts.validation.virtual_services import covers
from canarylab.stages.kinds.manifests import ManifestsOptions, ManifestsStage

UPSTREAM = """\
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata:
  name: rollouts-demo-vsvc1
spec:
  gateways:
    - rollouts-demo-gateway
  hosts:
    - rollouts-demo-vsvc1.local # not reviews.bookinfo.com
  http:
    - name: primary
      route: []
  tls:
    - match:
        - port: 3000
          sniHosts:
            - reviews.bookinfo.com
            - localhost
      route: []
"""
"""As in Argo's getting-started for Istio; Istio's webhook refuses it (argoproj/argo-rollouts#2033)."""


def stage(path, base):
    return ManifestsStage("demo", ManifestsOptions(path=path), base=base)


def check(tmp_path, text):
    (tmp_path / "m").mkdir(exist_ok=True)
    (tmp_path / "m" / "multipleVirtualsvc.yaml").write_text(text)
    stage("m", tmp_path).check()


def test_upstreams_form_is_explained_with_file_and_line(tmp_path):
    with pytest.raises(StageError) as caught:
        check(tmp_path, UPSTREAM)
    said = str(caught.value)
    assert said.startswith(f"{tmp_path}/m/multipleVirtualsvc.yaml:17: VirtualService rollouts-demo-vsvc1: ")
    assert "SNI host 'reviews.bookinfo.com' is not covered by its hosts ['rollouts-demo-vsvc1.local']" in said
    assert "argoproj/argo-rollouts#2033" in said
    assert '"*.rollouts-demo-vsvc1.bookinfo.com"' in said


def test_upstreams_form_is_refused_before_the_cluster_is_asked_for_anything(tmp_path):
    from canarylab.engine import bring_up

    (tmp_path / "m.yaml").write_text(UPSTREAM)
    bad = stage("m.yaml", tmp_path)
    with pytest.raises(StageError, match="SNI host"):
        bring_up.up(context_of(bad, base=tmp_path), [bad])


def test_our_own_manifests_pass():
    stage("manifests/rollouts-demo", REPOSITORY).check()


def test_an_unquoted_star_is_explained_as_what_yaml_takes_it_for(tmp_path):
    with pytest.raises(StageError) as caught:
        check(tmp_path, UPSTREAM.replace("- rollouts-demo-vsvc1.local", "- *.rollouts-demo-vsvc1.bookinfo.com"))
    assert "multipleVirtualsvc.yaml:9: not YAML: " in str(caught.value)
    assert "quote a name that begins with *" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("networking.istio.io/v1alpha3", "example.org/v1"),
        ("kind: VirtualService", "kind: DestinationRule"),
        ("    - rollouts-demo-vsvc1.local #", '    - "*" #'),
        ("  tls:", "  other:"),
        ("          sniHosts:", "          other:"),
    ],
)
def test_what_the_webhook_would_take_is_not_refused(tmp_path, old, new):
    check(tmp_path, UPSTREAM.replace(old, new))


JSON = st.recursive(
    st.none() | st.integers() | st.text("a*.", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["tls", "match", "sniHosts", "hosts"]), inner)
    ),
    max_leaves=8,
)


@given(JSON)
def test_a_virtual_service_of_any_form_is_taken_or_refused_and_never_a_bug(tmp_path_factory, spec):
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_text("")
    obj = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "x"}, "spec": spec}
    try:
        refuse_known_bad([(file, obj)])
    except StageError as error:
        assert error.where == f"{file}:1"


# -- covers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "sni"),
    [
        ("*", "a.com"),
        ("*", "*"),
        ("*", "*.a.com"),
        ("a.com", "a.com"),
        ("*.a.com", "b.a.com"),
        ("*.a.com", "c.b.a.com"),
        ("*.a.com", "*.a.com"),
        ("*.a.com", "*.b.a.com"),
        ("*-v1.a.com", "x-v1.a.com"),
    ],
)
def test_a_host_covers(host, sni):
    assert covers(host, sni)


@pytest.mark.parametrize(
    ("host", "sni"),
    [
        ("a.com", "b.com"),
        ("a.com", "*"),
        ("a.com", "*.a.com"),
        ("*.a.com", "a.com"),
        ("*.a.com", "xa.com"),
        ("*.a.com", "*"),
    ],
)
def test_a_host_does_not_cover(host, sni):
    assert not covers(host, sni)


NAMES = ["".join(letters) for length in range(1, 6) for letters in itertools.product("ab.", repeat=length)]
PATTERNS = st.builds(str.__add__, st.sampled_from(["", "*"]), st.text("ab.", min_size=0, max_size=3)).filter(bool)


def stands_for(pattern, name):
    return name.endswith(pattern[1:]) if pattern.startswith("*") else name == pattern


@given(PATTERNS, PATTERNS)
def test_a_host_covers_what_stands_for_nothing_but_its_own_names(host, sni):
    assert covers(host, sni) == all(stands_for(host, name) for name in NAMES if stands_for(sni, name))
