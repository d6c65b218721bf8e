"""What the two tests share: they skip where there is no Spark, start one process a bundle, and leave
their tables behind only where somebody wants to look (WEIR_KEEP=1)."""
import os
import pathlib
import shutil
import sys
import tempfile
import unittest

import setup
from table import Lake

IS_LONG = os.environ.get("WEIR_LONG") == "1"


def lake_for(module: str) -> Lake:
    """Ends with the tests of the module."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-spark-"))
    lake = Lake(folder)
    unittest.addModuleCleanup(print_times, lake)
    if os.environ.get("WEIR_KEEP") == "1":
        print(f"{module}: tables and logs stay in {folder}", flush=True)
    else:
        unittest.addModuleCleanup(shutil.rmtree, folder)
    unittest.addModuleCleanup(lake.stop)
    return lake


def print_times(lake: Lake):
    for spark in lake.sparks.values():
        print(f"{spark}: {spark.calls} calls in {spark.seconds:.0f} s, {spark.cpu_seconds:.0f} s of CPU", flush=True)


def main():
    try:
        setup.home()
    except setup.Missing as missing:
        print(f"skipped: {missing}")
        sys.exit(setup.SKIP)
    unittest.main(module="__main__")
