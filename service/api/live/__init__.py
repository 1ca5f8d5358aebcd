"""Live reading: answers that wait for what happens, and streams of what happens."""
