"""What each rule's shell runs: a job in a copy of the server's process, or here where there is none."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys

from cayley_adapters.pipeline.locks import end_with_workflow
from cayley_adapters.pipeline.table import STAGES
from cayley_adapters.pipeline.warm import ADDRESS

__all__ = ["main"]

MODULE = "cayley_adapters.pipeline.run"
"""What runs a job; it takes the same arguments."""


def main() -> int:
    """Run the job that the first argument describes, with files where the second, its first output, says."""
    # What only gathers and draws loads little, and need not hold what others load.
    computes = STAGES[json.loads(sys.argv[1])["stage"]].threads is not None
    status = _served(os.environ[ADDRESS]) if computes and ADDRESS in os.environ else None
    if status is None:
        from cayley_adapters.pipeline import run

        return run.main()
    if status < 0:  # die as the job has died: the rule's shell tells from it what to say
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


def _served(address: str) -> int | None:
    """How the job ended that a server ran, as :attr:`subprocess.Popen.returncode`; None where no server answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(address)
        except OSError:  # it still loads, or it has gone
            return None
        end_with_workflow()  # and so does the job, which ends with this connection
        asked = {
            "module": MODULE,
            "arguments": sys.argv[1:],
            "threads": str(json.loads(sys.argv[1])["threads"]),
            "folder": os.getcwd(),
            "environment": dict(os.environ),
            "path": sys.path,
        }
        text = json.dumps(asked).encode() + b"\n"
        connection.sendall(text[socket.send_fds(connection, [text], [0, 1, 2]) :])
        with connection.makefile() as answer:
            said = answer.readline()
    return int(said) if said else -signal.SIGKILL


if __name__ == "__main__":
    sys.exit(main())
