"""The program of a computing process: reads a job a line, takes it, answers a line, and ends with its input.

Started as `python -P -m dovetail.servers.calculator.computing MIB`. It has limits on memory, processor time and files
before it loads anything, opens no file, and its parent ends it whenever a job takes too long.
"""

import sys
from collections.abc import Callable
from decimal import InvalidOperation
from typing import BinaryIO

import msgspec

from dovetail.servers.calculator.answers import Job, Reply
from dovetail.servers.calculator.failures import CalculatorError

READY = b"ready\n"
TAKEN = b"taken\n"
"""Is said of a job before it is begun: see `children`."""


def limit_memory(mib: int) -> None:
    """Bound this process, where the system can: address space, no files written, no crash dumps."""
    try:
        import resource
    except ImportError:  # Windows; the parent's clock is left
        return
    size = mib * 1024 * 1024
    for kind, most in ((resource.RLIMIT_AS, size), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):
        try:
            resource.setrlimit(kind, (most, most))
        except (ValueError, OSError):  # a stricter limit stands already, or this one cannot be set here
            continue


def limit_time(seconds: float) -> None:
    """Let the system end this process when it has used so much more processor time."""
    try:
        import resource
    except ImportError:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 2
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def answered(line: bytes, jobs: dict[str, Callable[[Job], Reply]]) -> Reply:
    """Do a job; what fails is said in words that hold nothing of what was asked."""
    try:
        job = msgspec.json.decode(line, type=Job)
        limit_time(job.seconds)
        return jobs[job.do](job)
    except CalculatorError as error:
        return Reply(error=str(error))
    except MemoryError:
        return Reply(error="This needs more memory than a calculation may have; use smaller numbers", spent=True)
    except (OverflowError, InvalidOperation):
        return Reply(error="This leads to a number beyond all that can be computed; use its logarithm")
    except RecursionError:
        return Reply(error="This is too deep to be worked on; use a simpler expression", spent=True)
    except Exception as error:
        return Reply(error=f"No way to compute this is known ({type(error).__name__}); write it in another form")


def serve(incoming: BinaryIO, outgoing: BinaryIO) -> None:
    """Answer job by job until the input ends, or this process is good for nothing more."""
    from dovetail.servers.calculator.jobs import JOBS

    outgoing.write(READY)
    outgoing.flush()
    for line in incoming:
        outgoing.write(TAKEN)
        outgoing.flush()
        reply = answered(line, JOBS)
        outgoing.write(msgspec.json.encode(reply) + b"\n")
        outgoing.flush()
        if reply.spent:
            return


def main() -> None:
    """Run the program."""
    limit_memory(int(sys.argv[1]))
    sys.setrecursionlimit(4_000)
    sys.set_int_max_str_digits(120_000)
    sys.dont_write_bytecode = True
    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
