"""Tests of pure decisions: no server, no cluster, seconds in all."""
