"""Unit tests of the client and its command line."""
