"""Progress of long jobs on standard error: what is done, how fast, when it will end."""

import sys
import time


class Progress:
    """Prints a line at most every `interval` seconds; short work prints nothing."""

    def __init__(self, label: str = "", interval: float = 10.0):
        self.label = label
        self.interval = interval
        self.begin(1)

    def begin(self, steps: int, what: str = "") -> None:
        """Start counting a piece of work of so many steps."""
        self.what, self.steps, self.done, self.samples = what, max(steps, 1), 0, 0
        self.started = self.printed = time.monotonic()

    def advance(self, samples: int) -> None:
        """One step over so many samples is done."""
        self.done += 1
        self.samples += samples
        now = time.monotonic()
        if now - self.printed >= self.interval:
            self.printed = now
            elapsed = now - self.started
            left = elapsed * (self.steps / self.done - 1)
            end = time.strftime("%H:%M:%S", time.localtime(time.time() + left))
            print(
                f"{self.label}{self.what}: step {self.done:,} of {self.steps:,} "
                f"({self.done / self.steps:.0%}), {self.samples / elapsed:,.0f} images/s, "
                f"ends at {end} (in {left:,.0f} s)",
                file=sys.stderr,
                flush=True,
            )
