"""The faults: one module each, named for what is done.

Every module has `TOUCHES`, the parts that it is done to (`tests.faults.chaos.scenario.Part`), and
`act`, which does it, waits until it is over, and says on whom. `act` raises `DidNotBite` where the
fault found nothing that it could have harmed.
"""
