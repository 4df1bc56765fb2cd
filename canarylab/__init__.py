"""A cluster bootstrap tool: a canary deployment with Argo Rollouts and Istio, brought up, proved and removed."""

__version__ = "0.1.0"
