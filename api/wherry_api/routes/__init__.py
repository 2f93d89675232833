"""The routes: from HTTP to the services and back, and nothing else."""
