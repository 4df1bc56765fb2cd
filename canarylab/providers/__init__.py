"""Where the cluster comes from: one file or folder a provider."""
