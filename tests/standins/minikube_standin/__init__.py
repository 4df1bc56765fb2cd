"""Stands in for minikube: answers as the real one does, with the embedded node behind it. See ../README.md."""
