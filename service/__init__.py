"""The processes people talk to: the HTTP API, the worker and the command line."""
