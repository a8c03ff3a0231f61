"""Start a command that ends when its parent ends, also when the parent was killed with SIGKILL.

The parent runs this file as a script in front of the command. That is safer than ``preexec_fn`` (which forks
Python code in a process that may have threads), and it still works where another user could not read the
interpreter: the user is changed here, between the start of Python and the ``exec``. Linux has the signal that does
it (prctl(2), PR_SET_PDEATHSIG); elsewhere the command simply starts.

The signal follows the *thread* that started the command, so start commands from a thread that lives long.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def dying_with_parent(
    command: Sequence[str], *, send: signal.Signals = signal.SIGKILL, user: tuple[int, int] | None = None
) -> list[str]:
    """Put this script in front of ``command``.

    Args:
        command: The program (an absolute path) and its arguments.
        send: What the command receives when its parent ends.
        user: The (uid, gid) to become first; needs root.
    """
    uid, gid = user or (-1, -1)
    # -I and -S: nothing but the standard library is wanted, and the start takes a third of the time.
    return [sys.executable, "-I", "-S", __file__, str(int(send)), str(os.getpid()), str(uid), str(gid), *command]


def main(arguments: Sequence[str]) -> None:
    """Become the user, ask for the signal, make sure that the parent is still there, and become the command."""
    send, parent, uid, gid = (int(value) for value in arguments[:4])
    command = list(arguments[4:])
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # After the change of user, which would clear it.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, send)
    if os.getppid() != parent:
        sys.exit("the parent ended before this process was ready")
    os.execv(command[0], command)  # noqa: S606 - the arguments are the parent's own


if __name__ == "__main__":
    main(sys.argv[1:])
