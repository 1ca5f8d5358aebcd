"""A result in the forms in which it is shown."""

from pydantic import BaseModel, ConfigDict, Field

from service.api.models import EXAMPLE_ID, TaskId


class RegisterCounts(BaseModel):
    """The counts of one classical register alone."""

    model_config = ConfigDict(extra="forbid")

    index: int = Field(ge=0, description="Its place in the order of declaration, from 0.")
    bits: int = Field(ge=1)
    counts: dict[str, int] = Field(
        description="Value of the register, bit 0 rightmost → number of shots.",
        examples=[{"00": 512, "11": 512}],
    )


class TaskResult(BaseModel):
    """What came of a completed task, in the form that was asked for: one of the last four fields.

    Keys have Qiskit's bit order: bit 0 is rightmost, the register that was declared last is
    leftmost, and a space stands between registers.
    """

    model_config = ConfigDict(extra="forbid")

    task_id: TaskId
    shots: int
    counts: dict[str, int] = Field(
        default={}, description="Outcome → number of shots.", examples=[{"0": 517, "1": 507}]
    )
    probabilities: dict[str, float] = Field(
        default={},
        description="Outcome → share of the shots. Outcomes that did not occur are absent.",
        examples=[{"0": 0.5048828125, "1": 0.4951171875}],
    )
    registers: list[RegisterCounts] = Field(default=[], description="In order of declaration.")
    memory: list[str] = Field(
        default=[], description="The outcome of each shot, in order.", examples=[["0", "1", "1"]]
    )


_TASK = {"task_id": EXAMPLE_ID, "shots": 1024}
RESULTS = {
    "counts": {
        "summary": "as=counts",
        "value": {**_TASK, "counts": {"0 00": 503, "1 11": 521}},
    },
    "probabilities": {
        "summary": "as=probabilities",
        "value": {**_TASK, "probabilities": {"0 00": 0.4912109375, "1 11": 0.5087890625}},
    },
    "registers": {
        "summary": "as=registers: `bit[2] c; bit d;`",
        "value": {
            **_TASK,
            "registers": [
                {"index": 0, "bits": 2, "counts": {"00": 503, "11": 521}},
                {"index": 1, "bits": 1, "counts": {"0": 503, "1": 521}},
            ],
        },
    },
    "memory": {
        "summary": "as=memory, where it was asked for at the submission",
        "value": {"task_id": EXAMPLE_ID, "shots": 3, "memory": ["1 11", "0 00", "1 11"]},
    },
}
