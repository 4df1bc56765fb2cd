"""The four layers that have to agree on who gets which share of the traffic.

What the Rollout's status says, what the route objects say, what the proxies were configured with, and what is measured.
Argo Rollouts has shipped versions in which the first went on and the second did not (argoproj/argo-rollouts#4741).
"""
