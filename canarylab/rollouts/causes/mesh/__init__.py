"""What Istio's own objects forbid: which policy keeps a request from a pod."""
