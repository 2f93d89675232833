"""Authentication: the caller and the tenant of a request, with one module for each mode."""
