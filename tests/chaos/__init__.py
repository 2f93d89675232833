"""Faults in every part while jobs run; docs/faults.md tells what is injected and what must hold."""
