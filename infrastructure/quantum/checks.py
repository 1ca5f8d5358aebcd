"""Checks of a run's options and of the size of its result."""

from domain.execution import MAX_SEED, METHODS, RunOptions
from infrastructure.quantum.limits import EngineLimits
from infrastructure.quantum.refusal import Reason, Refused

_JSON_PER_KEY = 3
_JSON_PER_COUNT = 6


def check_options(options: RunOptions, limits: EngineLimits) -> None:
    """Refuse options outside their range.

    Raises:
        Refused: `invalid_option` or `too_many_shots`.
    """
    if options.shots < 1:
        raise Refused(Reason.INVALID_OPTION, "`shots` must be at least 1.")
    if options.shots > limits.max_shots:
        raise Refused(
            Reason.TOO_MANY_SHOTS,
            f"{options.shots} shots are over the limit of {limits.max_shots} for one run. Split"
            " them over several tasks.",
        )
    if options.seed is not None and not 0 <= options.seed <= MAX_SEED:
        raise Refused(Reason.INVALID_OPTION, f"`seed` must be from 0 to {MAX_SEED}.")
    if options.method not in METHODS:
        raise Refused(Reason.INVALID_OPTION, f"`method` must be one of {', '.join(METHODS)}.")
    timeout = options.timeout_seconds
    if timeout is not None and not 0 < timeout <= limits.max_timeout_seconds:
        raise Refused(
            Reason.INVALID_OPTION,
            f"`timeout_seconds` must be above 0 and at most {limits.max_timeout_seconds:g}.",
        )


def check_dynamic_work(shots: int, operations: int, limits: EngineLimits) -> None:
    """Refuse a circuit that would be run shot by shot for too long.

    Raises:
        Refused: `too_much_work`.
    """
    work = shots * operations
    if work > limits.max_dynamic_operations:
        raise Refused(
            Reason.TOO_MUCH_WORK,
            f"The circuit has to be run shot by shot, and {shots} shots of {operations} operations"
            f" are over the limit of {limits.max_dynamic_operations}. Ask for fewer shots.",
        )


def check_memory_size(shots: int, key_length: int, limits: EngineLimits) -> None:
    """Refuse per-shot outcomes that would be too long to store.

    Raises:
        Refused: `result_too_large`.
    """
    _check_size(shots * (key_length + _JSON_PER_KEY), limits)


def check_counts_size(outcomes: int, key_length: int, limits: EngineLimits) -> None:
    """Refuse counts with too many distinct outcomes or too many bytes.

    Raises:
        Refused: `too_many_outcomes` or `result_too_large`.
    """
    if outcomes > limits.max_outcomes:
        raise Refused(
            Reason.TOO_MANY_OUTCOMES,
            f"The counts have {outcomes} distinct outcomes, and the limit is"
            f" {limits.max_outcomes}. Ask for fewer shots or measure fewer qubits.",
        )
    _check_size(outcomes * (key_length + _JSON_PER_KEY + _JSON_PER_COUNT), limits)


def _check_size(size: int, limits: EngineLimits) -> None:
    if size > limits.max_result_bytes:
        raise Refused(
            Reason.RESULT_TOO_LARGE,
            f"The result would have about {size} bytes, and the limit is"
            f" {limits.max_result_bytes}. Ask for fewer shots or measure fewer qubits.",
        )
