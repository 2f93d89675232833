"""HTTP: the server, what surrounds every request, and how errors are answered."""
