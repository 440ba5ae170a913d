"""What the kernel says: processor time and memory of a process with its workers, and which machine this is."""

import os
import platform
import time
from pathlib import Path


def family(pid: int) -> list[int]:
    """A process and all of its descendants."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            found += map(int, task.read_text().split())
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time that a process and its descendants have used, in nanosecond resolution.

    The clock's number is what clock_getcpuclockid(3) computes: it counts all threads, those that ended included.
    """
    return sum(time.clock_gettime((~process << 3) | 2) for process in family(pid))


def memory_mib(pid: int) -> tuple[float, float]:
    """Resident and proportional set size of a process and its descendants."""
    resident = proportional = 0
    for process in family(pid):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name == "Rss":
                resident += int(rest.split()[0])
            elif name == "Pss":
                proportional += int(rest.split()[0])
    return resident / 1024, proportional / 1024


def describe() -> str:
    """The machine in one line."""
    model = "an unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores of {model}, {total:.0f} GiB, Linux {platform.release()}, "
        f"CPython {platform.python_version()}; load average at the start {os.getloadavg()[0]:.1f}"
    )
