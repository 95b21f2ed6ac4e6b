"""Commands of the plan, pasted."""

import os
import re
import subprocess
import sys

VARIANTS = ("finetune", "gradient_ascent", "original", "retrain")
RATES = ("random-rate=0.1", "random-rate=0.2")
FLEET = "seeds0-1"


def planned_command(finished, rule, part=""):
    """The command of the first job of a rule that names a part of a path."""
    log = finished.snakemake("-n", "--forcerun", rule, "--cores", "1").stdout
    start = re.compile(rf"scripts\.start \w+ {rule} ")
    commands = shell_commands(log)
    return next(command for command in commands if start.search(command) and part in command)


def shell_commands(log):
    """The commands in a log of Snakemake, with what they read from standard input."""
    pattern = r"^Shell command: (.*<<'END'.*\n(?:(?!END$).*\n)*END$|.*)"
    return re.findall(pattern, log, re.M)


def paste(finished, command):
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    call = ["bash", "-o", "pipefail", "-c", command]
    env = os.environ | {"PATH": path}
    return subprocess.run(
        call, cwd=finished.root, env=env, capture_output=True, text=True, check=False
    )
