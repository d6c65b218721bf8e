"""weir's writer: `hudi_tool apply FOLDER`, a new process for each operation, as a run of weir would be.

One JSON object on stdin, one answer on stdout; hudi_tool.cc says which. The program is WEIR_HUDI_TOOL,
or build/release/tests/hudi_tool.
"""
import json
import os
import pathlib
import subprocess

REPO = pathlib.Path(__file__).resolve().parents[3]
TOOL = os.environ.get("WEIR_HUDI_TOOL", str(REPO / "build/release/tests/hudi_tool"))
TIMEOUT_S = 120


class WeirError(Exception):
    def __init__(self, error):
        super().__init__(f"{error['code']}: {error['message']} | hint: {error.get('hint', '')}")
        self.code, self.message, self.hint = error["code"], error["message"], error.get("hint", "")


def apply(folder: pathlib.Path, op: str, timezone: str = "UTC", **asked):
    """The answer. Raises WeirError where weir refuses."""
    done = subprocess.run([TOOL, "apply", str(folder)], input=json.dumps({"op": op} | asked) + "\n", text=True,
                          capture_output=True, timeout=TIMEOUT_S, env=os.environ | {"TZ": timezone}, check=False)
    lines = done.stdout.splitlines()
    if op == "crash" and not lines:
        return {}  # It died, as it should.
    if len(lines) != 1:
        raise RuntimeError(f"hudi_tool apply {folder} ({op}) ended with {done.returncode} and {len(lines)} answers: "
                           f"{done.stderr[-2000:]}")
    answer = json.loads(lines[0])
    if not answer["ok"]:
        raise WeirError(answer["error"])
    return answer
