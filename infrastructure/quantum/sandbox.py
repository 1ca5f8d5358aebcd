"""What a simulator process gives up before it reads its first circuit. Linux only."""

import ctypes
import gc
import os
import resource
import signal
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x20080522
_NOBODY = 65534
_OOM_SCORE = "800"
_MIB = 1024 * 1024
_THREAD_STACK_MIB = 16
_STATUS_FILE = Path("/proc/self/statm")

_libc = ctypes.CDLL(None, use_errno=True)


def tie_to_parent(parent: int) -> None:
    """Die when the parent dies, at once if it already has."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def give_up_privileges(code: Iterable[str]) -> None:
    """Leave root behind as far as possible, and never gain anything by a set-uid program.

    Args:
        code: files that the process may still have to read; if others than root cannot, the
            process keeps its user and gives up its capabilities alone. In either case it can
            neither trace its parent nor read the parent's environment.
    """
    if os.geteuid() == 0:
        if all(_readable_by_all(Path(file)) for file in code):
            os.setgroups([])
            os.setresgid(_NOBODY, _NOBODY, _NOBODY)
            os.setresuid(_NOBODY, _NOBODY, _NOBODY)
        _drop_capabilities()
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def be_the_first_to_go() -> None:
    """Ask the kernel to sacrifice this process when the machine runs out of memory."""
    Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")


def limit_resources(memory_mb: int, threads: int) -> None:
    """Bound the address space to what is in use now plus `memory_mb` MiB, and write no files."""
    stacks = (threads - 1) * _THREAD_STACK_MIB
    space = _address_space() + (memory_mb + stacks) * _MIB
    resource.setrlimit(resource.RLIMIT_AS, (space, space))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def limit_processor_time(seconds: int) -> None:
    """Allow `seconds` more of processor time; SIGXCPU ends the process after that."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


@contextmanager
def loop_guard(seconds: float) -> Iterator[None]:
    """End the process by SIGPROF if the block takes more than `seconds` of processor time.

    Nothing gentler reaches a simulation, which runs outside Python until it is over.
    """
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def hide_from_children() -> None:
    """Keep other processes of the same user from reading this one's environment and memory."""
    _prctl(_PR_SET_DUMPABLE, 0)


def freeze_imports() -> None:
    """Take what is loaded out of the garbage collector's rounds."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


class PeakMemory:
    """The highest resident memory of this process since the last reset.

    The file that resets it belongs to root once privileges are given up, so it is opened before.
    Where it cannot be opened the figure is that of the process's whole life.
    """

    _RESET_HIGH_WATER_MARK = b"5"
    _WORTH_A_RESET = 4 * _MIB

    def __init__(self) -> None:
        try:
            self._reset = os.open("/proc/self/clear_refs", os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            self._reset = -1
        self._mark = 0

    def begin(self) -> None:
        """Start to measure anew."""
        if self._reset >= 0 and self.highest() > self._mark + self._WORTH_A_RESET:
            os.write(self._reset, self._RESET_HIGH_WATER_MARK)
            self._mark = self.highest()

    @staticmethod
    def highest() -> int:
        """Bytes."""
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def resident_memory() -> int:
    """Bytes of memory this process occupies now."""
    return int(_STATUS_FILE.read_text(encoding="ascii").split()[1]) * resource.getpagesize()


def release_memory() -> None:
    """Give freed memory back to the system, as far as the allocator can."""
    gc.collect()
    _libc.malloc_trim(0)


def _readable_by_all(file: Path) -> bool:
    resolved = file.resolve()
    folders = all(folder.stat().st_mode & stat.S_IXOTH for folder in resolved.parents)
    return folders and bool(resolved.stat().st_mode & stat.S_IROTH)


def _drop_capabilities() -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if _libc.capset(header, nothing) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"capset: {os.strerror(number)}")


def _address_space() -> int:
    return int(_STATUS_FILE.read_text(encoding="ascii").split()[0]) * resource.getpagesize()


def _prctl(option: int, argument: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(argument), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")
