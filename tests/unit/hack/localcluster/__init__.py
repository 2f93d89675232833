"""Unit tests of hack/localcluster."""
