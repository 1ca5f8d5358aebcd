"""Reads the `/metrics` of several processes at once."""

import asyncio
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from prometheus_client.parser import text_string_to_metric_families

Labels: TypeAlias = frozenset[tuple[str, str]]
Sample: TypeAlias = Mapping[tuple[str, Labels], float]
TIMEOUT_SECONDS = 2.0


async def read_samples(urls: Sequence[str]) -> list[Sample]:
    """Return what each process shows; nothing for one that does not answer."""
    return list(await asyncio.gather(*(asyncio.to_thread(read_sample, url) for url in urls)))


def read_sample(url: str) -> Sample:
    """Return the values of one process by name and labels."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
            text = answer.read().decode()
    except OSError:
        return {}
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def values(samples: Sequence[Sample], name: str, **labels: str) -> list[float]:
    """Return the values of all series of this name that have these labels."""
    return [
        value
        for sample in samples
        for (series, its_labels), value in sample.items()
        if series == name and labels.items() <= its_labels
    ]
