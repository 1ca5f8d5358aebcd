"""What every implementation says of the circuits that tasks were submitted with."""

from dataclasses import replace
from uuid import uuid4

from domain.events import TaskSubmitted
from domain.execution import RunOptions
from domain.payloads import Payload, PayloadKind
from domain.task import Submit, decide
from tests.support import tasks
from tests.support.stores import Store

CIRCUIT = "OPENQASM 3; // é"
PARAMETERS = b'{"theta":0.5}'


async def test_a_circuit_comes_back_as_it_was_submitted(store: Store) -> None:
    options = RunOptions(7, 3, "statevector", memory=True, measure_all=True)
    circuit = Payload(PayloadKind.CIRCUIT, CIRCUIT.encode())
    parameters = Payload(PayloadKind.PARAMETERS, PARAMETERS)
    event = decide(None, Submit(options, circuit.commitment(), parameters.commitment()))
    submission = replace(tasks.submission(), event=event, payloads=(circuit, parameters))
    await tasks.put(store.log, submission)
    stored = await store.circuits.circuit(submission.task_id)
    assert stored is not None
    assert (stored.circuit, stored.parameters) == (CIRCUIT.encode(), PARAMETERS)
    assert stored.submission == event
    assert not stored.erased


async def test_a_circuit_without_parameters_is_whole(store: Store) -> None:
    task = await tasks.processing(store.log)
    stored = await store.circuits.circuit(task.task_id)
    assert stored is not None
    assert stored.circuit == tasks.QUICKSTART.encode()
    assert isinstance(stored.submission, TaskSubmitted)
    assert (stored.parameters, stored.erased) == (None, False)


async def test_a_circuit_of_another_tenant_is_not_there(store: Store) -> None:
    submission = tasks.submission(tenant="physics")
    await tasks.put(store.log, submission)
    for tenant, there in ((None, True), ("physics", True), ("chemistry", False), ("", False)):
        found = await store.circuits.circuit(submission.task_id, tenant)
        assert (found is not None) is there
    assert await store.circuits.circuit(uuid4()) is None


async def test_a_view_names_the_end_of_the_tasks_stream(store: Store) -> None:
    task = await tasks.submitted(store.log)
    heads = []
    for append in (tasks.claim(task), None):
        view = await store.queries.view(task.task_id)
        assert view is not None
        assert view.head_hash == (await store.log.stream(task.task_id))[-1].hash
        heads.append(view.head_hash)
        if append is not None:
            await tasks.put(store.log, append)
    assert heads[0] != heads[1]
