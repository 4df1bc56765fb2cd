"""What the cluster, Argo or Istio would refuse of a Rollout and what belongs to it, told before anything is applied."""
