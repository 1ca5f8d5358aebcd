"""Trace context as text, and the decision whether a trace is recorded."""

from uuid import UUID

import pytest

from infrastructure.settings import SamplerName
from infrastructure.telemetry import context
from infrastructure.telemetry.sampling import Sampler

SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNSAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
CLAIM = UUID("0193a1b2-0000-7000-8000-000000000001")


def test_a_context_is_read_apart() -> None:
    assert context.trace_id_of(SAMPLED) == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert context.span_id_of(SAMPLED) == "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("03", True), ("ff", True)]
)
def test_the_lowest_flag_alone_says_whether_a_trace_is_recorded(flags: str, sampled: bool) -> None:
    assert context.is_sampled(SAMPLED[:-2] + flags) is sampled


def test_a_child_stays_in_the_trace_and_has_an_id_of_its_own() -> None:
    one, other = context.child_of(SAMPLED), context.child_of(SAMPLED)
    assert one[:36] == other[:36] == SAMPLED[:36]
    assert one[-3:] == SAMPLED[-3:]
    assert len({context.span_id_of(made) for made in (SAMPLED, one, other)}) == 3


def test_a_child_takes_the_id_that_it_is_given() -> None:
    assert context.child_of(UNSAMPLED, "1234567890abcdef") == UNSAMPLED.replace(
        "00f067aa0ba902b7", "1234567890abcdef"
    )


def test_every_process_gives_an_attempt_the_same_context() -> None:
    assert context.attempt_context(SAMPLED, CLAIM) == context.attempt_context(SAMPLED, CLAIM)


def test_an_attempt_and_its_claim_are_two_spans_of_one_trace() -> None:
    attempt, claim = context.attempt_context(SAMPLED, CLAIM), context.claim_context(SAMPLED, CLAIM)
    assert context.trace_id_of(attempt) == context.trace_id_of(claim)
    assert context.span_id_of(attempt) != context.span_id_of(claim)


def test_a_span_id_is_sixteen_hexadecimal_digits() -> None:
    for span_id in (context.new_span_id(), context.span_id_of_event(CLAIM, "append")):
        assert len(span_id) == 16
        assert int(span_id, 16) > 0


@pytest.mark.parametrize(
    ("name", "recorded"),
    [
        ("always_on", True),
        ("always_off", False),
        ("parentbased_always_on", True),
        ("parentbased_always_off", False),
    ],
)
def test_a_trace_of_our_own_is_recorded_as_the_sampler_says(
    name: SamplerName, recorded: bool
) -> None:
    assert context.is_sampled(Sampler(name, 0.5).enter(None)) is recorded


def test_two_traces_of_our_own_are_different_ones() -> None:
    sampler = Sampler("always_on", 1.0)
    assert context.trace_id_of(sampler.enter(None)) != context.trace_id_of(sampler.enter(None))


def test_a_clients_trace_goes_on_below_a_new_span() -> None:
    entered = Sampler("always_on", 1.0).enter(SAMPLED)
    assert context.trace_id_of(entered) == context.trace_id_of(SAMPLED)
    assert context.span_id_of(entered) != context.span_id_of(SAMPLED)


@pytest.mark.parametrize("given", [SAMPLED, UNSAMPLED])
@pytest.mark.parametrize("name", ["parentbased_always_on", "parentbased_always_off"])
def test_a_parent_based_sampler_obeys_the_client(name: SamplerName, given: str) -> None:
    assert Sampler(name, 0.5).enter(given)[-2:] == given[-2:]


@pytest.mark.parametrize(("name", "flags"), [("always_on", "01"), ("always_off", "00")])
@pytest.mark.parametrize("given", [SAMPLED, UNSAMPLED])
def test_another_sampler_does_not_ask_the_client(name: SamplerName, flags: str, given: str) -> None:
    assert Sampler(name, 0.5).enter(given)[-2:] == flags


def test_a_ratio_decides_by_the_trace_id_so_that_all_processes_agree() -> None:
    low = f"00-{'0' * 31}1-00f067aa0ba902b7-00"
    high = f"00-{'f' * 32}-00f067aa0ba902b7-01"
    sampler = Sampler("traceidratio", 0.5)
    assert context.is_sampled(sampler.enter(low))
    assert not context.is_sampled(sampler.enter(high))


@pytest.mark.parametrize(("ratio", "recorded"), [(0.0, False), (1.0, True)])
def test_a_ratio_of_nothing_or_all_leaves_nothing_to_chance(ratio: float, recorded: bool) -> None:
    sampler = Sampler("parentbased_traceidratio", ratio)
    assert {context.is_sampled(sampler.enter(None)) for _ in range(50)} == {recorded}
