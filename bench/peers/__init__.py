"""ketlog beside other queues that do the same job: `python -m bench.peers`."""
