"""Commands of the plan, pasted."""

import os
import subprocess
import sys

VARIANTS = ("finetune", "gradient_ascent", "original", "retrain")
RATES = ("random-rate=0.1", "random-rate=0.2")
FLEET = "seeds0-1"


def planned_command(finished, rule):
    log = finished.snakemake("-n", "--forcerun", rule, "--cores", "1").stdout
    line = next(line for line in log.splitlines() if f"python -m scripts.{rule}" in line)
    return line.removeprefix("Shell command: ")


def paste(finished, command):
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    call = ["bash", "-o", "pipefail", "-c", command]
    env = os.environ | {"PATH": path}
    return subprocess.run(
        call, cwd=finished.root, env=env, capture_output=True, text=True, check=False
    )
