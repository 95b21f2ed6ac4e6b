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
    start = re.compile(rf"python -m scripts\.start \w+ {rule} ")
    line = next(line for line in log.splitlines() if start.search(line) and part in line)
    return line.removeprefix("Shell command: ")


def paste(finished, command):
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    call = ["bash", "-o", "pipefail", "-c", command]
    env = os.environ | {"PATH": path}
    return subprocess.run(
        call, cwd=finished.root, env=env, capture_output=True, text=True, check=False
    )
