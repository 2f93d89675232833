"""Runner pods: their manifest, their heartbeats, and orphaned attempts."""
