"""Redis and the store compared with the resources, and repaired where they differ."""
