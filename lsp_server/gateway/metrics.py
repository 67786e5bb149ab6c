"""What a Prometheus server is told: totals of the engine, times of requests, and what is held in memory.

Knows names of figures. Knows nothing that a user wrote: no label holds a text, a file or a person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from lsp_server.gateway.mirror import Mirrors
from model.engine.engine import Statistics

_BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)  # seconds
_GAUGES = {
    "waiting": "Requests whose first pass has not begun.",
    "running": "Requests whose passes are under way.",
    "sessions": "Open files whose keys and values are cached.",
    "cache_bytes": "Memory of these caches.",
}
_COUNTERS = {
    "requests": "Requests that the engine was given.",
    "cancelled": "Requests that nobody wanted any more.",
    "late": "Requests answered after their deadline.",
    "visible_tokens": "Tokens of visible text that requests were about.",
    "encoded_tokens": "Of these, tokens that were in no cache.",
    "passes": "Forward passes.",
    "rows": "Rows that passes read.",
    "written_tokens": "Tokens written into holes.",
    "prefill_seconds": "Seconds in which requests read visible text.",
    "denoise_seconds": "Seconds in which requests drafted and checked.",
}
_BY_SOURCE = {
    "drafted": "Tokens proposed, by who proposed them.",
    "accepted": "Tokens proposed and kept, by who proposed them.",
}


class Metrics:
    def __init__(self, statistics: Callable[[], Statistics | None], mirrors: Mirrors) -> None:
        registry = CollectorRegistry()
        registry.register(_EngineTotals(statistics))
        ProcessCollector(registry=registry)
        self.in_flight = Gauge("quickfill_http_requests_in_flight", "Requests to the model under way.", registry=registry)
        self.seconds = Histogram(
            "quickfill_http_request_seconds",
            "From a request's arrival to the end of its answer; status 499 is a client that left.",
            ["route", "status"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self.resynchronised = Counter(
            "quickfill_resynchronisations", "Clients told to send a whole text again.", ["code"], registry=registry
        )
        documents = Gauge("quickfill_documents", "Sessions whose text is kept.", registry=registry)
        documents.set_function(lambda: len(mirrors))
        held = Gauge("quickfill_documents_bytes", "Memory of these texts.", registry=registry)
        held.set_function(lambda: mirrors.nbytes)
        self._registry = registry

    def exposition(self) -> bytes:
        return generate_latest(self._registry)


class _EngineTotals(Collector):
    """Asks the engine at the moment somebody asks for the metrics."""

    def __init__(self, statistics: Callable[[], Statistics | None]) -> None:
        self._statistics = statistics

    def collect(self) -> Iterator[Metric]:
        found = self._statistics()
        yield GaugeMetricFamily("quickfill_ready", "Whether the model is loaded.", value=float(found is not None))
        if found is None:
            return
        for name, about in _GAUGES.items():
            yield GaugeMetricFamily(f"quickfill_{name}", about, value=getattr(found, name))
        for name, about in _COUNTERS.items():
            yield CounterMetricFamily(f"quickfill_{name}", about, value=getattr(found, name))
        hits = found.visible_tokens - found.encoded_tokens
        yield CounterMetricFamily("quickfill_cached_tokens", "Tokens of visible text that were cached.", value=hits)
        for name, about in _BY_SOURCE.items():
            family = CounterMetricFamily(f"quickfill_{name}_tokens", about, labels=["source"])
            for source, count in sorted(getattr(found, name).items()):
                family.add_metric([source], count)
            yield family
