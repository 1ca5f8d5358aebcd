"""Tracing as the settings ask for it."""

from opentelemetry.sdk.trace import SpanProcessor

from infrastructure.settings import Settings
from infrastructure.telemetry.sampling import Sampler
from infrastructure.telemetry.tracing import SpanStore, Tracing


def make_tracing(service: str, instance: str, settings: Settings, store: SpanStore) -> Tracing:
    """Return a process's tracing.

    Args:
        service: `service.name`.
        instance: `service.instance.id`.
        store: where spans can be looked up; unused with `TRACE_STORE=none`.
    """
    if settings.otel_sdk_disabled or settings.otel_traces_sampler == "always_off":
        return Tracing(service, instance, None, None)
    return Tracing(
        service,
        instance,
        Sampler(settings.otel_traces_sampler, settings.otel_traces_sampler_arg),
        store if settings.trace_store == "database" else None,
        _collector(settings),
    )


def _collector(settings: Settings) -> SpanProcessor | None:
    if not settings.otel_exporter_otlp_endpoint:
        return None
    # Only who has a collector pays for the protocol to talk to it.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    endpoint = settings.otel_exporter_otlp_endpoint.rstrip("/") + "/v1/traces"
    return BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint))
