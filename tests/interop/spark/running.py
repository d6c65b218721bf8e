"""What the two tests share: they skip where there is no Spark, start one process a bundle, take several cases at
once, since a Spark does one thing at a time, and leave their tables behind only where somebody wants to look (WEIR_KEEP=1)."""
import concurrent.futures
import os
import pathlib
import shutil
import sys
import tempfile
import threading
import unittest

import setup
from table import Lake

IS_LONG = os.environ.get("WEIR_LONG") == "1"
AT_ONCE = 3  # Two for the two Sparks, and one that asks weir meanwhile.


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


def cases_in(suite):
    """One by one, whatever they were put into."""
    for each in suite:
        yield from cases_in(each) if isinstance(each, unittest.TestSuite) else [each]


class AtOnce(unittest.BaseTestSuite):
    """Cases that share their module's fixture, and nothing else."""
    threads = AT_ONCE

    def run(self, result, debug=False):
        begin = getattr(sys.modules["__main__"], "setUpModule", lambda: None)
        try:
            begin()
            with concurrent.futures.ThreadPoolExecutor(self.threads) as pool:
                list(pool.map(lambda case: case(result), self))
        finally:
            unittest.doModuleCleanups()
        return result


class Result(unittest.TextTestResult):
    """Of cases in several threads: each is told when it ends."""
    lock = threading.Lock()

    def startTest(self, test):
        with self.lock:
            unittest.TestResult.startTest(self, test)  # Not the text's own, which begins a line.


class Runner(unittest.TextTestRunner):
    resultclass = Result

    def run(self, test):
        return super().run(AtOnce(list(cases_in(test))))


def main(at_once=AT_ONCE):
    AtOnce.threads = at_once
    try:
        setup.home()
    except setup.Missing as missing:
        print(f"skipped: {missing}")
        sys.exit(setup.SKIP)
    unittest.main(module="__main__", testRunner=Runner)
