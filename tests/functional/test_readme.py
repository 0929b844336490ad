"""Each command block of the README, run as it stands, in order, as a new user would."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import testtools

from tests.functional import base

TREE = Path(__file__).parents[2]
BLOCK = re.compile(r"^```shell\n(.*?)^```", re.DOTALL | re.MULTILINE)

WAIT = """
for id in $(mistral execution-list -f value -c ID); do
    while [ "$(mistral execution-get "$id" -f value -c State)" = RUNNING ]; do :; done
    mistral execution-get "$id" -f value -c State
done
"""
"""What the README's reader does between blocks: waits until every execution has ended."""


class TestReadme(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.home = Path(tempfile.mkdtemp(prefix="tripleo-readme-"))
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        # The environment that the reader has from the demo is the one of this run.
        self.tree = self.home / "tree"
        self.tree.mkdir()
        for path in TREE.iterdir():
            if path.name not in (".venv", ".demo"):
                (self.tree / path.name).symlink_to(path)
        (self.tree / ".venv").symlink_to(base.PROGRAMS.parent)

    def shell(self, script):
        result = subprocess.run(
            ["bash", "-eu", "-c", script],
            cwd=self.tree,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                "TRIPLEO_VENV": str(base.PROGRAMS.parent),
                "TRIPLEO_DEMO_DIR": str(self.home / "demo"),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=2 * base.SECONDS,
            check=False,
        )
        self.assertEqual(0, result.returncode, result.stdout)
        return result.stdout

    def test_the_demo_and_the_session_after_it_work_as_written(self):
        blocks = BLOCK.findall((TREE / "README.md").read_text())
        demo, *session, test = blocks
        self.assertEqual("bash tools/demo.sh\n", demo)
        # The last block is what runs this test.
        self.assertEqual("bash tools/test.sh\n", test)
        shown = self.shell(demo)
        for words in ("Creating the plan", "Deploying it", "CREATE_COMPLETE", "endpoints:"):
            self.assertIn(words, shown)
        down = session[-1]
        self.addCleanup(self.shell, 'PATH="$PWD/.venv/bin:$PATH"\n' + down)
        script = "\n".join(
            block if "tripleo-undercloud" in block else block + WAIT for block in session
        )
        shown = self.shell(script)
        self.assertNotIn("ERROR", shown)
        self.assertIn("overcloud", shown)
        self.assertIn("processes have ended", shown)

    def test_the_demo_can_keep_the_undercloud_and_delete_the_plan(self):
        self.addCleanup(
            self.shell, '.venv/bin/tripleo-undercloud down --state-dir "$TRIPLEO_DEMO_DIR"'
        )
        kept = self.shell("bash tools/demo.sh --keep --delete")
        self.assertIn("Plan deleted.", kept)
        self.assertIn("mistral execution-create", kept)
        shown = self.shell(
            '.venv/bin/tripleo-undercloud status --state-dir "$TRIPLEO_DEMO_DIR" -f value'
        )
        self.assertNotIn("False", shown)
