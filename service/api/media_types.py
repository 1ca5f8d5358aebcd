"""What a client would like to get, from its `Accept` header."""

from collections.abc import Mapping, Sequence


def qualities(headers: Mapping[bytes, bytes]) -> dict[str, float]:
    """Return the media types and ranges that a request accepts, in small letters, with weights."""
    accepted = headers.get(b"accept", b"").decode("latin-1").lower()
    weights: dict[str, float] = {}
    for choice in accepted.split(","):
        name, *options = (part.strip() for part in choice.split(";"))
        weights[name] = max(weights.get(name, 0.0), _quality(options))
    return weights


def _quality(options: Sequence[str]) -> float:
    for option in options:
        if option.startswith("q="):
            try:
                return float(option.removeprefix("q="))
            except ValueError:
                return 0.0
    return 1.0
