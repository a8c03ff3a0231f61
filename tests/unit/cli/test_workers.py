"""The parent of several workers: real processes, whose work is a line of Python instead of the sidecar."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sidecar.kit.die_with_parent import dying_with_parent

PARENT = """
import sys
from sidecar.cli.workers import Workers

class Scripted(Workers):
    def command(self, number, shared):
        return [sys.executable, "-u", "-c", sys.argv[2], str(number), shared]

sys.exit(Scripted(None, int(sys.argv[1])).run())
"""
SERVES = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.SIGTERM}})  # it may come before it is waited for
os.write(1, f"{{sys.argv[1]}} {{os.getpid()}}\\n".encode())
signal.sigwait({{signal.SIGTERM}})
sys.exit({code})
"""

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:

        def begin(script: str, count: int = 2) -> "subprocess.Popen[bytes]":
            command = dying_with_parent([sys.executable, "-c", PARENT, str(count), script])
            parent = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE))
            stack.callback(parent.kill)
            return parent

        yield begin


def told(parent: "subprocess.Popen[bytes]", count: int) -> dict[int, int]:
    """The pid of each worker that said it serves."""
    assert parent.stdout is not None
    return {int(number): int(pid) for number, pid in (parent.stdout.readline().split() for _ in range(count))}


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_every_worker_and_the_exit_is_theirs(start: Start, number: signal.Signals) -> None:
    parent = start(SERVES.format(code=0), 3)
    workers = told(parent, 3)
    assert sorted(workers) == [0, 1, 2]
    parent.send_signal(number)
    assert parent.wait(60) == 0
    assert all(is_gone(pid) for pid in workers.values())


def test_a_worker_that_ended_in_a_fault_makes_the_exit(start: Start) -> None:
    parent = start(SERVES.format(code=70))
    told(parent, 2)
    parent.terminate()
    assert parent.wait(60) == 70


def test_a_worker_that_dies_is_replaced_under_its_number(start: Start) -> None:
    parent = start(SERVES.format(code=0))
    workers = told(parent, 2)
    os.kill(workers[1], signal.SIGKILL)
    (again,) = told(parent, 1).items()
    assert again[0] == 1
    assert again[1] != workers[1]
    parent.terminate()
    assert parent.wait(60) == 0
    assert is_gone(again[1])


def test_workers_that_cannot_be_kept_alive_end_the_parent_with_a_fault(start: Start) -> None:
    parent = start("raise SystemExit(1)")
    assert parent.wait(60) == 70


def test_wrong_settings_are_not_tried_again(start: Start) -> None:
    parent = start('import os; os.write(1, b"tried\\n"); raise SystemExit(78)', 1)
    assert parent.wait(60) == 78
    assert parent.stdout is not None
    assert parent.stdout.read() == b"tried\n"


def test_a_signal_while_workers_are_being_started_ends_those_too(start: Start) -> None:
    parent = start(SERVES.format(code=0), 8)
    told(parent, 1)
    parent.terminate()
    assert parent.wait(60) == 0


def test_workers_share_a_folder_that_goes_with_the_parent(start: Start) -> None:
    script = 'import os, sys; os.write(1, f"{sys.argv[1]} {os.getpid()} {sys.argv[2]}\\n".encode());'
    parent = start(script + "import signal; signal.pause()", 2)
    assert parent.stdout is not None
    folders = {Path(parent.stdout.readline().split()[2].decode()) for _ in range(2)}
    (folder,) = folders
    assert folder.is_dir()
    parent.terminate()
    parent.wait(60)
    assert not folder.exists()
