"""Tests of one component against real servers: API server, Redis, S3 store."""
