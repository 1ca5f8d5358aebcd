"""Quantum programs: the OpenQASM front end and the Aer engine behind it."""
