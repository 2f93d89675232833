"""A real Kubernetes on a bare Linux machine, and the parts of one that tests stand on.

Standard library only: it runs before any virtual environment exists.
README.md beside this file lists the Python functions and the commands.
"""
