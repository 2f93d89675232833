"""The Kubernetes API as all three programs use it: one thin client, its errors, and its paths."""
