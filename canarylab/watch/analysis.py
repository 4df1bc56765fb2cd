"""An AnalysisRun in a few words: what it measures, how often it was content, what it measured last. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from canarylab.kube.objects import Object, dig


@dataclass(frozen=True)
class Metric:
    """`good` of `count` measurements were content. `value` is the last one's, as the metric's provider wrote it."""

    name: str
    phase: str
    good: int
    count: int
    errors: int
    value: str
    message: str

    @classmethod
    def of(cls, result: Object) -> Metric:
        measured = result.get("measurements") or ()
        return cls(
            name=result["name"],
            phase=result.get("phase", ""),
            good=result.get("successful", 0),
            count=result.get("count", 0),
            errors=result.get("error", 0),
            value=(measured[-1].get("value") or "") if measured else "",
            message=result.get("message") or ((measured[-1].get("message") or "") if measured else ""),
        )

    def __str__(self) -> str:
        words = [f"{self.name} {self.good} of {self.count} good"]
        words += [f"last {self.value}"] if self.value else []
        why = f" ({self.message})" if self.message else ""
        words += [f"{self.errors} without an answer{why}"] if self.errors else []
        return ", ".join(words)


@dataclass(frozen=True)
class Analysis:
    """An AnalysisRun of a Rollout. `purpose` is step, background, pre-promotion or post-promotion."""

    name: str
    purpose: str
    phase: str
    message: str
    metrics: tuple[Metric, ...]

    @classmethod
    def of(cls, purpose: str, run: Object) -> Analysis:
        status = run.get("status") or {}
        return cls(
            name=run["metadata"]["name"],
            purpose=purpose,
            phase=status.get("phase") or "Pending",
            message=status.get("message") or "",
            metrics=tuple(Metric.of(one) for one in dig(run, "status", "metricResults") or ()),
        )

    @property
    def measured(self) -> str:
        return "; ".join(map(str, self.metrics)) or self.message or "nothing measured yet"

    def __str__(self) -> str:
        return f"{self.purpose} analysis {self.phase}: {self.measured}"
