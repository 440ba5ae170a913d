"""A child process that misbehaves: its first argument names how. Uses the standard library only, to start quickly."""

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import threading

PAUSE = "import signal,sys\nsignal.signal(15,signal.SIG_IGN)\nprint('up',flush=True)\nwhile True: signal.pause()"


def echo() -> None:
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()


def deaf() -> None:
    """Ends neither at the end of its input nor at SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("ready", flush=True)
    while True:
        signal.pause()


def polite() -> None:
    """Ends at SIGTERM, not at the end of its input."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
    print("ready", flush=True)
    while True:
        signal.pause()


def family(end: str, detached: str) -> None:
    """Starts a grandchild that ignores SIGTERM and holds our output open; says its number."""
    child = subprocess.Popen(
        [sys.executable, "-IS", "-c", PAUSE], stdout=subprocess.PIPE, start_new_session=detached == "detached"
    )
    assert child.stdout is not None
    child.stdout.readline()
    holder = os.fork()
    if holder == 0:
        if detached == "detached":
            os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print(json.dumps([child.pid, os.getpid()]), flush=True)
        while True:
            signal.pause()
    sys.stdin.readline()
    if end == "exit":
        os._exit(3)
    if end == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.stdin.read()


def flood(size: str) -> None:
    """Writes that much to its standard error while it answers."""

    def body() -> None:
        line = b"x" * 999 + b"\n"
        for _ in range(int(size) // 1000):
            os.write(2, line)
        os.write(2, b"flooded\n")

    thread = threading.Thread(target=body)
    thread.start()
    echo()
    thread.join()


def flood_first(size: str) -> None:
    """Answers only once all of it is written."""
    os.write(1, b"before\n")
    left = int(size)
    while left > 0:
        left -= os.write(2, b"y" * min(left, 65_536))
    os.write(2, b"\n")
    os.write(1, b"after\n")
    echo()


def talkative() -> None:
    """Writes to its output without end, from the end of its input on until nobody takes it."""
    sys.stdin.read()
    for _ in range(2000):
        os.write(1, b"z" * 999 + b"\n")
    os.write(2, b"said all\n")


def says(text: str, then: str) -> None:
    os.write(1, text.encode())
    if then == "wait":
        signal.pause()
    if then.startswith("exit"):
        os._exit(int(then[4:]))
    if then == "segfault":
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        ctypes.string_at(0)
    if then == "memory":
        resource.setrlimit(resource.RLIMIT_AS, (300_000_000, 300_000_000))
        sys.stdin.reconfigure()  # type: ignore[union-attr]
        print(len(b"m" * 10**9))
    os.kill(os.getpid(), getattr(signal, then))


def killed_within(answer: str, place: str) -> None:
    """Dies by its own hand after that many bytes of its answer."""
    sys.stdin.readline()
    os.write(1, answer.encode()[: int(place)])
    os.kill(os.getpid(), signal.SIGKILL)


def complains(*lines: str) -> None:
    for line in lines:
        os.write(2, line.encode())
    os._exit(1)


def environment() -> None:
    print(json.dumps({"env": dict(os.environ), "argv": sys.argv[2:], "cwd": os.getcwd(), "session": os.getsid(0)}))


def descriptors() -> None:
    print(json.dumps(sorted(int(fd) for fd in os.listdir("/proc/self/fd"))))


def closes(what: str) -> None:
    """Closes its output, or its input, and goes on."""
    if what == "stdout":
        os.close(1)
        sys.stdin.read()
        os._exit(5)
    os.write(1, b"answered\n")
    os.close(0)
    os.write(1, b"closed\n")
    signal.pause()


if __name__ == "__main__":
    globals()[sys.argv[1]](*(sys.argv[2:] if sys.argv[1] != "environment" else ()))
