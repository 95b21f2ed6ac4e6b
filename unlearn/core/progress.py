"""Progress of long jobs on standard error: steps, speed and the expected end."""

import sys
import time


class Progress:
    """Prints a line at most every `interval` seconds; short work prints nothing."""

    def __init__(self, label: str = "", interval: float = 10.0):
        self.label = label
        self.interval = interval
        self.begin()

    def begin(self, steps: int | None = None, activity: str = "") -> None:
        """Start counting a piece of work of so many steps; None where nobody knows how many."""
        self.activity = activity
        self.steps = steps
        self.finished_steps = 0
        self.samples = 0
        self.start_time = time.monotonic()
        self.print_time = self.start_time

    def advance(self, samples: int) -> None:
        """Count a finished step over so many samples."""
        self.finished_steps += 1
        self.samples += samples
        now = time.monotonic()
        if now - self.print_time >= self.interval:
            self.print_time = now
            elapsed = now - self.start_time
            text = f"{self.label}{self.activity}: step {self.finished_steps:,}"
            speed = f"{self.samples / elapsed:,.0f} images/s"
            if self.steps is None:
                text = f"{text}, {speed}"
            else:
                remaining = elapsed * max(self.steps / self.finished_steps - 1, 0)
                end = time.strftime("%H:%M:%S", time.localtime(time.time() + remaining))
                share = self.finished_steps / max(self.steps, 1)
                text = f"{text} of {self.steps:,} ({share:.0%}), {speed}, ends at {end} "
                text += f"(in {remaining:,.0f} s)"
            print(text, file=sys.stderr, flush=True)
