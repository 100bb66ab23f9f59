"""Alur: files in, bronze rows out, exactly once."""
