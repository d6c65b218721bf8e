#!/usr/bin/env python3
"""weir's hash of Spark's bucket index against the class of each Hudi that makes it: awkward keys, and
random ones. No Spark is started; Java compiles BucketHash.java as it runs it."""
import base64
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

import setup
import weir_tool

JAVA = pathlib.Path(__file__).with_name("BucketHash.java")
AWKWARD = ["a", "42", "-1", " ", "\t\n", "næme", "日本", "😀", "a😀b\U0010ffff", "polygenelubricants", "x" * 5000, "\u0000", "\ufffd",
           "a,b", "a,,", "__null__", "__empty__", "12:30:00", "a:1", "a:", ":", "b:2,a:1"]
COMPOSITE = ["a:1,b:2", "a:__null__,b:2", "a:__null__,b:__null__", "a:__empty__,b:", "a:,b:", "a:x,y,b:2", "a:12:30:00,b:12:30:00",
             "a:1,b:2,", "a:😀,b:\U0001f600,c:3", "a:1,a:2,b:3", "a:1,x:2,b:3", "a:x,y:z,b:2"]
ALPHABET = "ab01 -_,:éß語😀𝔘\U0010ffff"
PLAIN = ALPHABET.replace(",", "").replace(":", "")


def random_keys(seed: int) -> tuple[list[str], list[str]]:
    """One field, in whatever letters; two fields, whose values hold no separator."""
    dice = random.Random(seed)

    def text(letters, least=0):
        return "".join(dice.choices(letters, k=dice.randint(least, 40)))
    # 0.15 fails on some texts with both separators that no key generator makes.
    return [text(PLAIN + dice.choice(",:"), 1) for _ in range(3000)], [f"a:{text(PLAIN)},b:{text(PLAIN)}" for _ in range(3000)]


class BucketHash(unittest.TestCase):
    def check(self, version: str, fields: list[str], keys: list[str]):
        asked = "".join(base64.b64encode(key.encode()).decode() + "\n" for key in keys)
        java = subprocess.run(["java", "-cp", str(setup.bundles()[version]), str(JAVA), ",".join(fields)], input=asked, text=True,
                              capture_output=True, check=True).stdout.splitlines()
        with tempfile.TemporaryDirectory() as folder:
            ours = weir_tool.apply(pathlib.Path(folder), "hash", fields=fields, keys=keys)[version]
        self.assertEqual(len(java), len(ours))
        told = [(key, theirs, mine) for key, theirs, mine in zip(keys, java, ours) if theirs not in ("none", str(mine % (2**31 - 1)))]
        self.assertEqual(told, [])
        self.assertLess(java.count("none"), len(keys) / 10)

    def test_keys_hash_as_in_java(self):
        for version in setup.bundles():
            single, composite = random_keys(len(version))
            for fields, keys in [(["id"], AWKWARD + single), (["a", "b"], COMPOSITE + composite), (["b"], COMPOSITE[:6] + composite)]:
                with self.subTest(version=version, fields=fields):
                    self.check(version, fields, keys)


if __name__ == "__main__":
    try:
        setup.home()
    except setup.Missing as missing:
        print(f"skipped: {missing}")
        sys.exit(setup.SKIP)
    unittest.main()
