"""What `doctor` looks at before minikube is asked for anything: one file a subject, each reads and changes nothing."""
