"""Checks of the dependencies: locked, licensed, listed, and without known vulnerabilities."""
