"""Mistakes in a Rollout's own spec, each found in the file before anything is applied."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from canarylab.errors import StageError
from canarylab.paths import REPOSITORY
from canarylab.rollouts.validation.manifests import refuse_known_bad
from canarylab.yamlfile.kubernetes_yaml import read_documents

GOOD = """\
apiVersion: v1
kind: Service
metadata: {name: app}
---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata:
  name: app
spec:
  selector:
    matchLabels: {app: app}
  strategy:
    canary:
      canaryService: app-canary
      stableService: app-stable
      trafficRouting:
        managedRoutes: [{name: testers}]
        istio:
          virtualService: {name: app}
      steps:
        - setWeight: 5
        - pause: {}
        - setCanaryScale: {weight: 50}
        - setHeaderRoute: {name: testers, match: [{headerName: X-Tester, headerValue: {exact: "yes"}}]}
        - setMirrorRoute: {name: testers, percentage: 50, match: [{method: {exact: GET}}]}
  template:
    metadata:
      labels: {app: app}
"""
STEPS = "spec.strategy.canary.steps"


@pytest.fixture
def refused(tmp_path):
    """What is said of a file, as error and line."""
    file = tmp_path / "rollout.yaml"

    def refused(text):
        file.write_text(text)
        with pytest.raises(StageError) as raised:
            refuse_known_bad((file, obj) for obj in read_documents(file))
        where, line = str(raised.value.where).rsplit(":", 1)
        assert where == str(file)
        return raised.value, text.splitlines()[int(line) - 1].strip()

    return refused


def passes(tmp_path, text):
    (tmp_path / "rollout.yaml").write_text(text)
    refuse_known_bad((tmp_path / "rollout.yaml", obj) for obj in read_documents(tmp_path / "rollout.yaml"))


def edited(old, new):
    assert old in GOOD
    return GOOD.replace(old, new)


def test_what_is_right_passes(tmp_path):
    passes(tmp_path, GOOD)


@pytest.mark.parametrize("file", sorted((REPOSITORY / "manifests").glob("*/*.yaml")), ids=lambda file: file.parent.name)
def test_our_own_manifests_pass(file):
    refuse_known_bad((file, obj) for obj in read_documents(file))


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ("setWeight: 5", "setWeight: 101", "[0].setWeight", "101 isn't a weight"),
        ("setWeight: 5", "setWeight: -1", "[0].setWeight", "between 0 and 100"),
        ("setWeight: 5", "setWeight: 5%", "[0].setWeight", "'5%' isn't a weight"),
        ("setWeight: 5", "setWeight: 5.5", "[0].setWeight", "a whole number only"),
        ("pause: {}", "pause:", "[1].pause", "write `pause: {}`"),
        ("pause: {}", "pause: {duration: 1d}", "[1].pause.duration", "'1d' isn't a duration"),
        ("pause: {}", "pause: {duration: -5}", "[1].pause.duration", "-5 isn't a duration"),
        ("pause: {}", "Pause: {}", "[1].Pause", "did you mean pause?"),
        ("setWeight: 5", "setweight: 5", "[0].setweight", "did you mean setWeight?"),
        ("pause: {}", "{}", "[1]", "the step is empty"),
        ("{weight: 50}", "{weight: 101}", "[2].setCanaryScale.weight", "`replicas: N` sets their number"),
        ("{weight: 50}", "{replicas: -1}", "[2].setCanaryScale.replicas", "write 0 or more"),
        ("percentage: 50", "percentage: 101", "[4].setMirrorRoute.percentage", "Istio's webhook would refuse"),
        ("{name: testers, match: [{h", "{name: tester, match: [{h", "[3].setHeaderRoute.name", "there: testers"),
        ("{name: testers, percentage", "{name: m, percentage", "[4].setMirrorRoute.name", "managedRoutes: [{name: m}]"),
        ('{exact: "yes"}', "{}", "[3].setHeaderRoute.match[0].headerValue", "none of exact, prefix and regex"),
        ("{exact: GET}", "{exact: GET, prefix: G}", "[4].setMirrorRoute.match[0].method", "it has exact and prefix"),
    ],
)
def test_a_step_that_is_wrong_is_named_with_its_line(refused, old, new, place, words):
    error, line = refused(edited(old, new))
    assert error.what.startswith(f"Rollout app: {STEPS}{place}: ")
    assert words in str(error)
    assert new.split(":", 1)[0].strip("{} ") in line


def test_two_steps_under_one_dash_are_reported_as_two(refused):
    error, line = refused(edited("- setWeight: 5\n        - pause", "- setWeight: 5\n          pause"))
    assert "steps[0]: setWeight and pause are in one step" in error.what
    assert "`- setWeight: ...`, `- pause: ...`" in error.remedy
    assert line == "- setWeight: 5"


@pytest.mark.parametrize(
    ("step", "place", "words"),
    [
        ('pause: {duration: "3000000000"}', "pause.duration", "'3000000000' isn't a duration"),
        (
            "analysis: {args: [{name: a, valueFrom: {fieldRef: {fieldPath: metadata.foo}}}]}",
            "analysis.args[0].valueFrom.fieldRef.fieldPath",
            "a Rollout has no 'metadata.foo' to refer to",
        ),
        (
            "experiment: {analyses: [{args: [{valueFrom: {fieldRef: {fieldPath: \"metadata.uid['a']\"}}}]}]}",
            "experiment.analyses[0].args[0].valueFrom.fieldRef.fieldPath",
            "supported by downwardAPI",
        ),
    ],
)
def test_what_argos_lint_refuses_in_a_step(refused, step, place, words):
    error, _ = refused(edited("setWeight: 5", step))
    assert error.what.startswith(f"Rollout app: {STEPS}[0].{place}: ")
    assert words in str(error)
    assert "InvalidSpec" in error.why


@pytest.mark.parametrize("field", ["metadata.name", "metadata.labels['app']", "metadata.annotations", "status.phase"])
def test_fields_that_an_analysis_may_refer_to(tmp_path, field):
    argument = f'{{name: a, valueFrom: {{fieldRef: {{fieldPath: "{field}"}}}}}}'
    passes(tmp_path, edited("setWeight: 5", f"analysis: {{args: [{argument}]}}"))


def test_a_weight_of_an_experiment_needs_a_router_that_can(tmp_path, refused):
    text = edited("setWeight: 5", "experiment: {templates: [{name: a, weight: 5}]}")
    passes(tmp_path, text)
    error, _ = refused(text.replace("istio:\n          virtualService: {name: app}", "nginx: {stableIngress: app}"))
    assert "experiment.templates[0].weight: it needs a traffic router that supports it" in error.what


@pytest.mark.parametrize("duration", ["90", "90", '"90s"', "5m", "1h30m", "0", "1.5h", "300ms"])
def test_durations_that_argo_takes(tmp_path, duration):
    passes(tmp_path, edited("pause: {}", f"pause: {{duration: {duration}}}"))


@pytest.mark.parametrize(
    "step", ["setWeight: 0", "setWeight: 100", "setCanaryScale: {replicas: 9}", "plugin: {name: x}"]
)
def test_bounds_and_other_kinds_pass(tmp_path, step):
    passes(tmp_path, edited("setWeight: 5", step))


def test_a_kind_of_step_that_nobody_here_knows_is_left_to_the_api_server(tmp_path):
    passes(tmp_path, edited("setWeight: 5", "setSomethingNew: {}"))


def test_without_routing_the_canary_cannot_be_scaled_apart(refused):
    error, _ = refused(GOOD.replace(GOOD[GOOD.index("      trafficRouting") : GOOD.index("      steps")], ""))
    assert "without trafficRouting the canary can't be scaled independently" in error.what


def test_a_header_route_needs_a_router_that_can(refused):
    error, _ = refused(edited("istio:\n          virtualService: {name: app}", "nginx: {stableIngress: app}"))
    assert "it needs a traffic router that supports it" in error.what


def test_a_router_without_options_is_one(tmp_path):
    by_apisix = edited("istio:\n          virtualService: {name: app}", "apisix: {}")
    passes(tmp_path, by_apisix[: by_apisix.index("        - setMirrorRoute")] + GOOD[GOOD.index("  template:") :])


def test_alb_compares_headers_with_whole_values_alone(tmp_path, refused):
    by_alb = edited("istio:\n          virtualService: {name: app}", "alb: {servicePort: 80}\n        plugins: {x: {}}")
    passes(tmp_path, by_alb)
    error, _ = refused(by_alb.replace('{exact: "yes"}', "{prefix: y}"))
    assert "headerValue: it has prefix" in error.what


def test_a_larger_weight_is_for_those_routers_that_take_one(tmp_path, refused):
    larger = edited("managedRoutes", "maxTrafficWeight: 1000\n        plugins: {x: {}}\n        managedRoutes")
    passes(tmp_path, larger.replace("setWeight: 5", "setWeight: 500"))
    error, _ = refused(larger.replace("setWeight: 5", "setWeight: 1001"))
    assert "between 0 and 1000 (trafficRouting.maxTrafficWeight)" in error.why


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "{app: app}\n  strategy",
            "{app: other}\n  strategy",
            "the selector needs app=other, but spec.template has app=app",
        ),
        ("{app: app}\n  strategy", "{tier: x}\n  strategy", "spec.template has no label tier"),
        ("matchLabels: {app: app}", "{}", "it selects nothing"),
        ("    canary:\n", "    blueGreen: {activeService: app-stable}\n    canary:\n", "both canary and blueGreen"),
        ("    canary:\n", "    other:\n", "neither canary nor blueGreen"),
        ("app-canary", "app-stable", "app-stable is also the stableService"),
        ("      canaryService: app-canary\n", "", "canaryService: it is missing"),
        ("      steps", "      maxSurge: 0\n      maxUnavailable: 0%\n      steps", "no pod could ever be replaced"),
        ("managedRoutes:", "maxTrafficWeight: 1000\n        managedRoutes:", "only works with nginx and plugins"),
        ("virtualService: {name: app}", "{}", "it names no VirtualService"),
        (
            "virtualService: {name: app}",
            "virtualService: {name: app}\n          virtualServices: [{name: app}]",
            "it has both virtualService and virtualServices",
        ),
        (
            "      steps",
            "      dynamicStableScale: true\n      scaleDownDelaySeconds: 30\n      steps",
            "it can't be combined with scaleDownDelaySeconds",
        ),
        ("  selector", "  minReadySeconds: 600\n  selector", "600 s isn't longer than minReadySeconds (600)"),
        ("  selector", "  progressDeadlineSeconds: 0\n  selector", "0 s isn't longer than minReadySeconds (0)"),
        ("  selector", "  replicas: -1\n  selector", "spec.replicas: -1 is negative"),
        ("  selector", "  revisionHistoryLimit: -1\n  selector", "spec.revisionHistoryLimit: -1 is negative"),
        ("  selector", "  workloadRef: {name: app}\n  selector", "workloadRef, which has its own template"),
        (
            "matchLabels: {app: app}",
            "matchExpressions: [{key: app, operator: NotIn, values: [app]}]",
            "the selector needs app NotIn app, but spec.template has app=app",
        ),
        (
            "matchLabels: {app: app}",
            "matchExpressions: [{key: tier, operator: Exists}]",
            "the selector needs tier Exists, but spec.template has no label tier",
        ),
        (
            "matchLabels: {app: app}",
            "matchExpressions: [{key: app, operator: In}]",
            "matchExpressions[0]: app In isn't a valid condition",
        ),
        ("      steps", "      antiAffinity: {}\n      steps", "canary.antiAffinity: it needs exactly one of"),
        (
            "      steps",
            "      antiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: {weight: 0}}\n      steps",
            "0 isn't a valid weight",
        ),
        (
            "      steps",
            "      pingPong: {pingService: a, pongService: a}\n      steps",
            "'a' and 'a' must be two different Services",
        ),
        (
            "istio:\n          virtualService: {name: app}",
            "nginx: {}\n      pingPong: {pingService: a, pongService: b}",
            "pingPong: it needs a traffic router that supports it",
        ),
        (
            "istio:\n          virtualService: {name: app}",
            "alb: {servicePort: 80}\n      pingPong: {pingService: a, pongService: b}",
            "alb.rootService: it is missing",
        ),
    ],
)
def test_the_rest_of_the_spec(refused, old, new, words):
    error, _ = refused(edited(old, new))
    assert words in error.what
    assert "InvalidSpec" in error.why
    assert error.remedy


@pytest.mark.parametrize(
    "expression",
    [
        "{key: app, operator: In, values: [app, other]}",
        "{key: tier, operator: NotIn, values: [x]}",
        "{key: app, operator: Exists}",
        "{key: tier, operator: DoesNotExist}",
    ],
)
def test_conditions_that_the_template_meets(tmp_path, expression):
    passes(tmp_path, edited("matchLabels: {app: app}", f"matchExpressions: [{expression}]"))


def test_two_services_of_ping_pong_stand_in_for_canary_and_stable(tmp_path):
    pair = edited("      steps", "      pingPong: {pingService: a, pongService: b}\n      steps")
    passes(tmp_path, pair.replace("      canaryService: app-canary\n      stableService: app-stable\n", ""))


def test_no_more_former_revisions_can_run_than_are_kept(tmp_path, refused):
    start, end = GOOD.index("    canary:"), GOOD.index("  template:")
    text = GOOD[:start] + "    blueGreen: {activeService: a, scaleDownDelayRevisionLimit: 11}\n" + GOOD[end:]
    passes(tmp_path, text.replace("11", "10"))
    error, line = refused(text)
    assert "11 former revisions can't keep running where only 10 are kept" in error.what
    assert line.startswith("blueGreen:")


@pytest.mark.parametrize("key", ["scaleDownDelaySeconds: 0", "dynamicStableScale: true"])
def test_what_means_nothing_without_routing(refused, key):
    rolling = {"metadata": {"labels": {"app": "a"}}}
    spec = {"selector": {"matchLabels": {"app": "a"}}, "strategy": {"canary": yaml.safe_load(key)}, "template": rolling}
    kinds = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "a"}}
    error, line = refused(yaml.safe_dump({**kinds, "spec": spec}))
    assert "it only works with trafficRouting" in error.what
    assert line == key


def test_another_groups_rollout_is_none_of_ours(tmp_path):
    passes(tmp_path, edited("argoproj.io/v1alpha1", "example.org/v1").replace("setWeight: 5", "setWeight: 101"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 200) | st.sampled_from(["", "5", "x", "1d"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    "strategy",
                    "canary",
                    "blueGreen",
                    "steps",
                    "setWeight",
                    "pause",
                    "duration",
                    "setCanaryScale",
                    "weight",
                    "replicas",
                    "selector",
                    "matchLabels",
                    "setHeaderRoute",
                    "setMirrorRoute",
                    "match",
                    "name",
                    "headerValue",
                    "trafficRouting",
                    "istio",
                    "managedRoutes",
                    "virtualService",
                    "template",
                    "metadata",
                    "labels",
                    "maxSurge",
                    "maxUnavailable",
                    "minReadySeconds",
                    "analysis",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_a_rollout_of_any_form_is_taken_or_refused_and_never_a_bug(tmp_path_factory, spec):
    file = tmp_path_factory.getbasetemp() / "any-rollout.yaml"
    file.write_text("")
    obj = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "x"}, "spec": spec}
    try:
        refuse_known_bad([(file, obj)])
    except StageError as error:
        assert error.where == f"{file}:1"
