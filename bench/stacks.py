"""Sampled stacks, summed up: which functions take the time."""

from collections import Counter

SHOWN = 40


def summary(folded: str) -> str:
    """Return a table from folded stacks (`outer;inner;innermost count`, a line each).

    The first table has the time spent in a function itself, the second with all that it calls; both
    in percent of the samples in which the process worked.
    """
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    samples = 0
    for line in folded.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        number = int(count)
        samples += number
        own[_function(frames[-1])] += number
        for function in {_function(frame) for frame in frames}:
            whole[function] += number
    return (
        f"{samples} samples\n\nown time\n{_table(own, samples)}\n\n"
        f"with all it calls\n{_table(whole, samples)}\n"
    )


def _function(frame: str) -> str:
    """Return a frame without its line, so that a function counts as one."""
    return frame.rpartition(":")[0] + ")" if frame.endswith(")") and ":" in frame else frame


def _table(counts: Counter[str], samples: int) -> str:
    return "\n".join(
        f"{100 * count / samples:6.1f} %  {name}" for name, count in counts.most_common(SHOWN)
    )
