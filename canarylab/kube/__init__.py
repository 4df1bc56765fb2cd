"""The cluster's API: one client, server-side apply with diffs, and the user's kubeconfig."""
