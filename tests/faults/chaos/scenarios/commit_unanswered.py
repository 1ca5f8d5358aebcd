"""The connection cut between a commit and its answer: what was stored is found again, once."""

from tests.faults.chaos.stage import Stage

TOUCHES = ("database_network",)
EVENTS = {"api": (b"TaskSubmitted",), "worker": (b"ProcessingStarted", b"TaskCompleted")}


async def act(stage: Stage) -> str:
    """Let an append through to the database, and cut its connection instead of answering."""
    member = stage.any("api", "worker", proxied=True)
    event = stage.chance.choice(EVENTS[member.kind])
    assert member.database is not None
    member.database.lose_answer_to(event)
    try:
        await stage.held(member.database.swallowed, f"{member.name} appends")
    finally:
        member.database.behave()
    return f"{member.name}, {event.decode()}"
