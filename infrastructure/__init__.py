"""Adapters: PostgreSQL, RabbitMQ, the simulator, logging, in-memory twins and the local stack."""
