"""The event log, its projection, outbox and leases in PostgreSQL 15 to 18, over asyncpg."""
