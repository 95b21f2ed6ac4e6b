"""Start the command of a rule: `python -m scripts.start ENVIRONMENT COMMAND [ARGUMENT ...]`.

It runs in a fork of the environment's server where one listens, else in this process; what it does
is the same.
"""

import os
import runpy
import signal
import sys
from contextlib import suppress

from scripts import fork_server


def run_here(command: str, arguments: list[str]) -> None:
    """Run a command in this process, as `python -m scripts.<command>` would."""
    sys.argv[1:] = arguments
    runpy.run_module(f"scripts.{command}", run_name="__main__", alter_sys=True)


def main(environment: str, command: str, *arguments: str) -> None:
    """Run the command, and end as it ended."""
    status = fork_server.run(environment, command, list(arguments))
    if status is None:
        run_here(command, list(arguments))
    elif status < 0:
        with suppress(OSError):  # some signals have no handlers
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    else:
        sys.exit(status)


if __name__ == "__main__":
    main(*sys.argv[1:])
