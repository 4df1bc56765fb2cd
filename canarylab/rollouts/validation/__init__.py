"""What the cluster, Argo or Istio would refuse of a Rollout and what belongs to it, found before it is applied."""
