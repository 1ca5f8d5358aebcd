"""Which traces are recorded, as `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` say.

The decision is made once, where a trace enters, and travels in the trace context's flag.
"""

import os

from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

from infrastructure.settings import SamplerName
from infrastructure.telemetry.context import is_sampled

_LOWER_64_BITS = 2**64 - 1


class Sampler:
    """Decides on traces.

    Args:
        name: see OpenTelemetry's specification; `parentbased_` obeys the client's own decision.
        ratio: part of all traces, 0 to 1, for the samplers that have one.
    """

    def __init__(self, name: SamplerName, ratio: float) -> None:
        self._obeys = name.startswith("parentbased_")
        kind = name.removeprefix("parentbased_")
        share = {"always_on": 1.0, "always_off": 0.0}.get(kind, ratio)
        self._bound = TraceIdRatioBased.get_bound_for_rate(share)

    def enter(self, given: str | None) -> str:
        """Return the context of the span with which a request begins here.

        Args:
            given: the client's trace context, valid, or `None` for a trace of our own.
        """
        trace_id = os.urandom(16).hex() if given is None else given[3:35]
        if given is not None and self._obeys:
            sampled = is_sampled(given)
        else:
            sampled = int(trace_id, 16) & _LOWER_64_BITS < self._bound
        return f"00-{trace_id}-{os.urandom(8).hex()}-{'01' if sampled else '00'}"
