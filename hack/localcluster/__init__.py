"""A real Kubernetes cluster on a bare Linux machine, and the servers that the tests use.

Uses only the standard library, because it runs before any virtual environment exists.
README.md in this directory lists the Python functions and the commands.
"""
