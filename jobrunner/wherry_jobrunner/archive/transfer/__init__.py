"""Carrying out a plan: reading, assembling, uploading and verifying parts."""
