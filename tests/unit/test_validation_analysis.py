"""Analyses that could never end, or lack an argument: told with the template's line before anything is applied."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from support.fake_cluster import FakeCluster
from support.fake_provider import FakeProvider
from support.runs import context_of
from support.there import there

from canarylab.errors import StageError
from canarylab.stages.kinds.helm_release import HelmReleaseOptions, HelmReleaseStage
from canarylab.stages.kinds.manifests import ManifestsOptions, ManifestsStage

ROLLOUT = """\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: endless-analysis}
spec:
  selector: {matchLabels: {app: endless-analysis}}
  strategy:
    STRATEGY
  template: {metadata: {labels: {app: endless-analysis}}}
"""
STEP = "{canary: {steps: [{setWeight: 20}, {analysis: ANALYSIS}]}}"
BACKGROUND = "{canary: {analysis: ANALYSIS, steps: [{setWeight: 20}]}}"
PRE = "{blueGreen: {activeService: one, prePromotionAnalysis: ANALYSIS}}"
POST = "{blueGreen: {activeService: one, postPromotionAnalysis: ANALYSIS}}"
EXPERIMENT = "{canary: {steps: [{experiment: {templates: [{name: a, specRef: canary}], analyses: [ANALYSIS]}}]}}"
SERVICE = "{apiVersion: v1, kind: Service, metadata: {name: one}, spec: {selector: {app: endless-analysis}}}\n"
TEMPLATE = """\
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: endless}
spec:
  metrics:
  - name: age
    interval: 3s
    successCondition: result >= 0
    provider:
      web:
        url: http://endless-analysis-canary.endless-analysis.svc/stats
        jsonPath: '{$.total.seconds}'
"""
NAMED = "{templates: [{templateName: endless}]}"
KINDS = [("argoproj.io/v1alpha1", "AnalysisTemplate"), ("argoproj.io/v1alpha1", "ClusterAnalysisTemplate")]


def rollout(strategy: str, analysis: str = NAMED) -> str:
    return ROLLOUT.replace("STRATEGY", strategy.replace("ANALYSIS", analysis))


def template(args: str = "", **metric: object) -> str:
    """The template of the case, with other args and another metric."""
    found = yaml.safe_load(TEMPLATE)
    if args:
        found["spec"]["args"] = yaml.safe_load(args)
    found["spec"]["metrics"][0] |= metric
    return yaml.safe_dump(found, sort_keys=False)


def refusal(base: Path, *texts: str, cluster: FakeCluster | None = None, charts: bool = False) -> StageError | None:
    """What the preflight of one stage says, whose objects stand in a file each; `charts` bring others beside them."""
    (base / "m").mkdir()
    for number, text in enumerate(texts):
        (base / "m" / f"{number}.yaml").write_text(text)
    stage = ManifestsStage("app", ManifestsOptions(path="m", namespace="shop"))
    try:
        chart = HelmReleaseStage("chart", HelmReleaseOptions(chart="x/y", version="1", namespace="shop"))
        stages = [stage, chart] if charts else [stage]
        stage.preflight(context_of(*stages, provider=FakeProvider(cluster), base=base))
    except StageError as error:
        return error
    return None


def line_of(error: StageError) -> str:
    file, line = str(error.where).rsplit(":", 1)
    return Path(file).read_text().splitlines()[int(line) - 1].strip()


@pytest.mark.parametrize("strategy", [STEP, PRE, POST])
def test_what_a_step_or_a_promotion_waits_for_needs_a_count(tmp_path, strategy):
    error = refusal(tmp_path, rollout(strategy), SERVICE, TEMPLATE)
    assert error is not None
    assert error.what == (
        "AnalysisTemplate endless: spec.metrics[0].interval: metric age has an interval and no count, so it would be "
        "measured for ever"
    )
    assert line_of(error) == "interval: 3s"
    assert "InvalidSpec: AnalysisTemplate endless has metric age which runs indefinitely" in str(error.why)
    assert "`count: N`" in str(error.remedy)
    assert "0.yaml:7)" in str(error.remedy)  # where the Rollout asks for it


def test_a_chart_beside_it_changes_nothing_of_a_template_that_is_there(tmp_path):
    assert "measured for ever" in there(refusal(tmp_path, rollout(STEP), TEMPLATE, charts=True)).what


def test_a_template_that_a_chart_may_bring_may_have_the_value_too(tmp_path):
    both = "{templates: [{templateName: endless}, {templateName: of-the-chart}]}"
    assert refusal(tmp_path, rollout(STEP, both), template("[{name: service}]", count=1), charts=True) is None


@pytest.mark.parametrize("metric", [{"count": 3}, {"count": "3"}, {"interval": None}])
def test_one_that_ends_is_let_through(tmp_path, metric):
    assert refusal(tmp_path, rollout(STEP), template(**metric)) is None


def test_in_the_background_it_may_go_on_until_the_update_ends(tmp_path):
    assert refusal(tmp_path, rollout(BACKGROUND), TEMPLATE) is None


@pytest.mark.parametrize("count", [0, "0", "many"])
def test_a_count_that_is_none_is_told(tmp_path, count):
    error = there(refusal(tmp_path, rollout(STEP), template(count=count)))
    assert f"metric age has an interval and a count of {count}, so" in error.what
    assert line_of(error).startswith("count:")


def test_a_dry_run_has_to_end_too(tmp_path):
    text = TEMPLATE + "  dryRun: [{metricName: age}]\n"
    assert "measured for ever" in there(refusal(tmp_path, rollout(STEP), text)).what


def test_a_count_from_an_argument_needs_its_default(tmp_path):
    given = "{templates: [{templateName: endless}], args: [{name: n, value: '5'}]}"
    error = there(refusal(tmp_path, rollout(STEP, given), template("[{name: n}]", count="{{args.n}}")))
    assert "a count of {{args.n}}, which has no default value" in error.what


def test_a_count_from_an_argument_with_a_default_ends(tmp_path):
    assert refusal(tmp_path, rollout(STEP), template("[{name: n, value: '5'}]", count="{{args.n}}")) is None


def test_a_template_of_the_whole_cluster_counts_as_well(tmp_path):
    text = TEMPLATE.replace("kind: AnalysisTemplate", "kind: ClusterAnalysisTemplate")
    error = there(refusal(tmp_path, rollout(STEP, "{templates: [{templateName: endless, clusterScope: true}]}"), text))
    assert error.what.startswith("ClusterAnalysisTemplate endless: spec.metrics[0].interval")


def test_a_template_that_another_template_names_counts_as_well(tmp_path):
    outer = (
        "apiVersion: argoproj.io/v1alpha1\nkind: AnalysisTemplate\nmetadata: {name: outer}\n"
        "spec: {templates: [{templateName: endless}]}\n"
    )
    error = there(refusal(tmp_path, rollout(STEP, "{templates: [{templateName: outer}]}"), outer, TEMPLATE))
    assert error.what.startswith("AnalysisTemplate endless: spec.metrics[0].interval")


def test_a_template_that_a_template_names_and_there_is_none_of_is_told_with_its_line(tmp_path):
    outer = (
        "apiVersion: argoproj.io/v1alpha1\nkind: AnalysisTemplate\nmetadata: {name: outer}\n"
        "spec:\n  templates:\n  - templateName: nowhere\n"
    )
    error = there(refusal(tmp_path, rollout(STEP, "{templates: [{templateName: outer}]}"), outer))
    assert "there is no AnalysisTemplate nowhere in namespace shop" in error.what
    assert line_of(error) == "- templateName: nowhere"


def test_two_templates_that_name_each_other_come_to_an_end(tmp_path):
    texts = [
        f"apiVersion: argoproj.io/v1alpha1\nkind: AnalysisTemplate\nmetadata: {{name: {name}}}\n"
        f"spec: {{templates: [{{templateName: {other}}}]}}\n"
        for name, other in (("a", "b"), ("b", "a"))
    ]
    assert refusal(tmp_path, rollout(STEP, "{templates: [{templateName: a}]}"), *texts) is None


def test_a_template_that_only_the_cluster_has_is_told_at_the_line_that_names_it(tmp_path):
    found = yaml.safe_load(TEMPLATE)
    found["metadata"]["namespace"] = "shop"
    error = there(refusal(tmp_path, rollout(STEP), cluster=FakeCluster(found, kinds=KINDS)))
    assert "of AnalysisTemplate endless, spec.metrics[0].interval: metric age has an interval" in error.what
    assert "steps: [{setWeight: 20}" in line_of(error)


@pytest.mark.parametrize("strategy", [STEP, BACKGROUND, PRE, POST])
def test_an_argument_that_nobody_gives_is_told_with_the_templates_line(tmp_path, strategy):
    analysis = "{templates: [{templateName: endless}], args: [{name: servce, value: web}]}"
    text = template("[{name: service}]", count=1)
    error = there(refusal(tmp_path, rollout(strategy, analysis), SERVICE, text))
    assert (
        "spec.args[0]: nobody gives argument service a value; it gives servce, which no template asks for" in error.what
    )
    assert line_of(error) == "- name: service"
    assert "args.service was not resolved" in str(error.why)
    assert "{name: service, value: ...}" in str(error.remedy)


@pytest.mark.parametrize(
    ("args", "analysis"),
    [
        ("[{name: service, value: web}]", NAMED),
        ("[{name: token, valueFrom: {secretKeyRef: {name: s, key: k}}}]", NAMED),
        ("[{name: service}]", "{templates: [{templateName: endless}], args: [{name: service, value: ''}]}"),
        (
            "[{name: hash}]",
            "{templates: [{templateName: endless}], args: [{name: hash, valueFrom: {podTemplateHashValue: Latest}}]}",
        ),
    ],
)
def test_an_argument_with_a_default_or_a_value_from_anywhere_is_given(tmp_path, args, analysis):
    assert refusal(tmp_path, rollout(STEP, analysis), template(args, count=1)) is None


def test_an_argument_that_another_template_of_the_run_gives_is_given(tmp_path):
    other = template("[{name: service, value: web}]", count=1, name="other").replace("name: endless", "name: second")
    both = "{templates: [{templateName: endless}, {templateName: second}]}"
    assert refusal(tmp_path, rollout(STEP, both), template("[{name: service}]", count=1), other) is None


def test_an_argument_that_the_template_does_not_declare_is_told(tmp_path):
    text = template("[{name: service, value: web}]", count=1, successCondition="result > {{ args.servce }}")
    error = there(refusal(tmp_path, rollout(STEP), text))
    assert "metric age uses {{args.servce}}, and the template has no such argument" in error.what
    assert "did you mean service?" in str(error.remedy)


def test_two_metrics_of_one_name_are_told(tmp_path):
    other = template(count=1).replace("name: endless", "name: second")
    both = "{templates: [{templateName: endless}, {templateName: second}]}"
    error = there(refusal(tmp_path, rollout(STEP, both), template(count=1), other))
    assert (
        "AnalysisTemplate second: spec.metrics[0].name: AnalysisTemplate endless has a metric of that name"
        in error.what
    )


class TestExperiment:
    def test_one_that_it_waits_for_has_to_end(self, tmp_path):
        required = "{name: a, templateName: endless, requiredForCompletion: true}"
        error = there(refusal(tmp_path, rollout(EXPERIMENT, required), TEMPLATE))
        assert "measured for ever" in error.what
        assert "requiredForCompletion" in str(error.why)
        assert "InvalidSpec" not in str(error.why)

    def test_one_that_it_does_not_wait_for_need_not(self, tmp_path):
        assert refusal(tmp_path, rollout(EXPERIMENT, "{name: a, templateName: endless}"), TEMPLATE) is None

    def test_its_template_has_to_be_there(self, tmp_path):
        error = there(refusal(tmp_path, rollout(EXPERIMENT, "{name: a, templateName: endles}"), TEMPLATE))
        assert "there is no AnalysisTemplate endles" in error.what
        assert "the experiment would end with Error" in str(error.why)

    def test_its_arguments_have_to_be_given(self, tmp_path):
        named = "{name: a, templateName: endless}"
        error = there(refusal(tmp_path, rollout(EXPERIMENT, named), template("[{name: service}]", count=1)))
        assert "nobody gives argument service" in error.what
        assert "the experiment would end with Error" in str(error.why)
