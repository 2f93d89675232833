"""Faults in every part while jobs run. docs/faults.md lists what is injected and what must hold."""
