"""The stack without Docker: private PostgreSQL and RabbitMQ servers and their supervision."""
