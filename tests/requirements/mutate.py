"""Remove each guard in turn and see that its test fails: `python -m tests.requirements.mutate [ID ...]`.

The mutation is made in a copy of the sources; the project itself is never touched. First all the tests named must pass
on the unchanged copy: a test that fails anyway proves nothing.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.house import ROOT
from tests.requirements.ledger import Mutation, mutated, requirements

AT_ONCE = 2
SECONDS = 300
FAILED = 1  # pytest: tests ran, and some failed


def run(source: Path, tests: list[str]) -> tuple[int, str]:
    """Run tests against a copy of the sources; return pytest's exit code and the end of its output."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "--tb=line", *tests]
    environment = {**os.environ, "PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return FAILED, "timed out"
    return done.returncode, (done.stdout + done.stderr)[-1500:]


def copy_of_sources(origin: Path, folder: Path) -> Path:
    """Copy the sources into a folder."""
    skipped = shutil.ignore_patterns("__pycache__", "*.egg-info")
    return Path(shutil.copytree(origin, folder / "src", ignore=skipped))


def survives(base: Path, name: str, mutation: Mutation) -> str:
    """Apply one mutation to a copy of the sources; return what is wrong, or ""."""
    with tempfile.TemporaryDirectory() as scratch:
        source = copy_of_sources(base, Path(scratch))
        target = source / mutation.path.relative_to(ROOT / "src")
        target.write_text(mutated(mutation, target.read_text(encoding="utf-8")), encoding="utf-8")
        code, output = run(source, [mutation.test])
    if code == FAILED:
        return ""
    return f"{name}: without {mutation.guard} ({mutation.find!r}), {mutation.test} ends with {code}\n{output}"


def main(only: list[str]) -> int:
    chosen = [(r.id, mutation) for r in requirements() for mutation in r.mutation if not only or r.id in only]
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(AT_ONCE) as pool:
        base = copy_of_sources(ROOT / "src", Path(scratch))
        code, output = run(base, sorted({mutation.test for _, mutation in chosen}))
        if code:
            print(f"The tests fail without any mutation:\n{output}")
            return 1
        problems = [problem for problem in pool.map(lambda pair: survives(base, *pair), chosen) if problem]
    print(*problems, sep="\n")
    print(f"mutations: {len(chosen) - len(problems)} of {len(chosen)} guards are missed when they are removed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
