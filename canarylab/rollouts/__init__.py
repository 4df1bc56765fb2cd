"""A Rollout as Argo Rollouts sees it: view, revisions, pods, steps, analysis runs, routes, causes and validation."""
