"""The compared systems, each as its documentation has it. All of this runs in `.venv-peers`.

Of ketlog only what needs no library is imported here: the circuit text, and, where
`BENCH_ENGINE=ketlog` asks for it, the engine.
"""
