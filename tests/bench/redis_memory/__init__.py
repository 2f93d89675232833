"""Memory of jobs in Redis."""
