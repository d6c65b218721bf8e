#!/usr/bin/env python3
"""Who judges what the server answers: openapi-spec-validator, jsonschema, and Prometheus's own parser.

    if not api_judges.load(): skip          # they were not fetched: ./dev standins
    import jsonschema

Run as a program it fetches api_judges.lock.
"""
import pathlib
import sys

import pip_lock

LOCK = pip_lock.PipLock("api-judges", pathlib.Path(__file__).with_name("api_judges.lock"), "6 MB")


def load() -> bool:
    """From now on they can be imported."""
    if not LOCK.folder().is_dir():
        return False
    if str(LOCK.folder()) not in sys.path:
        sys.path.insert(0, str(LOCK.folder()))
    return True


if __name__ == "__main__":
    sys.exit(LOCK.main())
