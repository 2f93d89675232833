"""The client against the real API, operator, runners and store."""
