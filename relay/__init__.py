"""The outbox relay and the reaper: what moves tasks on when nobody else does."""
