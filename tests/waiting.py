"""Tests wait for what they want to see, never for a time."""
import time


def wait_for(what, condition, seconds=60, pause=0.05, say=None):
    """What the condition gave, once that is something. `say()` tells more where it does not come."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > until:
            raise AssertionError(f"{what}: not within {seconds} s{f': {say()}' if say else ''}")
        time.sleep(pause)
    return found
