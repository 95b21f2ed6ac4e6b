"""Progress of long jobs on standard error: steps, speed and the expected end."""

import sys
import time


class Progress:
    """Prints a line at most every `interval` seconds; short work prints nothing."""

    def __init__(self, label: str = "", interval: float = 10.0):
        self.label = label
        self.interval = interval
        self.begin(1)

    def begin(self, steps: int, activity: str = "") -> None:
        """Start counting a piece of work of so many steps."""
        self.activity = activity
        self.steps = max(steps, 1)
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
            remaining = elapsed * (self.steps / self.finished_steps - 1)
            end = time.strftime("%H:%M:%S", time.localtime(time.time() + remaining))
            print(
                f"{self.label}{self.activity}: step {self.finished_steps:,} of {self.steps:,} "
                f"({self.finished_steps / self.steps:.0%}), "
                f"{self.samples / elapsed:,.0f} images/s, "
                f"ends at {end} (in {remaining:,.0f} s)",
                file=sys.stderr,
                flush=True,
            )
