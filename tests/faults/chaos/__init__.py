"""Faults of every kind against the normal test topology, under load, and a checker afterwards."""
