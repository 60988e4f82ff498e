"""Algorithms that lessons build by hand and later lessons reuse, each in under forty lines."""
