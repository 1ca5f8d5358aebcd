"""Drawing shots from exact probabilities, the same ones for the same seed everywhere.

The random numbers are the output of SHAKE-128 (FIPS 202) for the seed, read as 64-bit words, so
that they depend on no library's version, and neighbouring seeds have nothing in common. The rest is
written out here, because libraries may change how their distributions use random words.
"""

import hashlib

import numpy as np
import numpy.typing as npt

GENERATOR = "shake128"
_TOP_53_BITS = np.uint64(11)
_TO_UNIT_INTERVAL = 2.0**-53


def derive(seed: int, purpose: str, bits: int) -> int:
    """Derive an independent number of `bits` bits from a seed: neighbours share nothing."""
    digest = hashlib.sha256(f"ketlog:{purpose}:{seed}".encode("ascii")).digest()
    return int.from_bytes(digest, "big") >> (256 - bits)


def random_words(seed: int, count: int) -> npt.NDArray[np.uint64]:
    """`count` independent words of 64 random bits, shape (count,)."""
    stream = hashlib.shake_128(f"ketlog:shots:{seed}".encode("ascii")).digest(8 * count)
    return np.frombuffer(stream, "<u8")


def uniforms(seed: int, count: int) -> npt.NDArray[np.float64]:
    """`count` numbers in [0, 1), shape (count,), with 53 random bits each."""
    words = random_words(seed, count)
    numbers: npt.NDArray[np.float64] = np.multiply(
        words >> _TOP_53_BITS, _TO_UNIT_INTERVAL, dtype=np.float64
    )
    return numbers


def draw(probabilities: npt.NDArray[np.float64], shots: int, seed: int) -> npt.NDArray[np.intp]:
    """Draw `shots` outcomes in order by inverting the cumulative distribution.

    Args:
        probabilities: of each outcome, shape (outcomes,); their sum need not be exactly 1.
        shots: how many to draw.
        seed: the seed of the run.

    Returns:
        Indices into `probabilities`, shape (shots,). An outcome of probability 0 never occurs.
    """
    cumulative = np.cumsum(np.maximum(probabilities, 0.0))
    numbers = uniforms(seed, shots) * cumulative[-1]
    drawn: npt.NDArray[np.intp] = np.searchsorted(cumulative, numbers, side="right")
    return drawn


def tally(outcomes: npt.NDArray[np.intp], possible: int) -> dict[int, int]:
    """Count how often each outcome occurs, in ascending order of the outcomes.

    Args:
        outcomes: indices, shape (shots,).
        possible: upper end of the indices.
    """
    if possible <= 4 * outcomes.size:
        counted = np.bincount(outcomes)
        values = np.flatnonzero(counted)
        numbers = counted[values]
    else:
        values, numbers = np.unique(outcomes, return_counts=True)
    return dict(zip(values.tolist(), numbers.tolist(), strict=True))
