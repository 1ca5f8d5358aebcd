"""The adapter to RabbitMQ: topology, thin messages, publishing, consuming and probing."""
