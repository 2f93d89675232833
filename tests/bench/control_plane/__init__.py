"""What a job costs beyond its bytes: through the real API server, with runners as processes."""
