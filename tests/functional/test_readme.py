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
while mistral execution-list -f value -c State | grep -q RUNNING; do :; done
mistral execution-list -f value -c State
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
        demo, _nodes, *session, test = blocks
        self.assertEqual("bash tools/demo.sh\n", demo)
        # The last block is what runs this test.
        self.assertEqual("bash tools/test.sh\n", test)
        shown = self.shell(demo)
        for words in ("Creating the plan", "Deploying it", "CREATE_COMPLETE", "endpoints:"):
            self.assertIn(words, shown)
        down = session[-1]
        self.addCleanup(self.shell, 'PATH="$PWD/.venv/bin:$PATH"\n' + down)
        script = "\n".join(
            block + WAIT if "mistral execution-create" in block else block for block in session
        )
        shown = self.shell(script)
        self.assertNotIn("ERROR", shown)
        self.assertIn("overcloud", shown)
        # The nodes: their list is good, they were introspected, and they are enough for the plan.
        self.assertIn('"registered": 3', shown)
        self.assertIn('"product": {"vendor": ', shown)
        self.assertIn('"missing": 0', shown)
        self.assertNotIn('"missing": 1', shown)
        self.assertIn("processes have ended", shown)

    def test_the_demo_can_keep_the_undercloud_and_delete_the_plan_and_emulate_nodes(self):
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
        nodes = BLOCK.findall((TREE / "README.md").read_text())[1]
        self.assertEqual("bash tools/demo.sh --nodes 6\n", nodes)
        shown = self.shell(nodes)
        self.assertIn("6 nodes were introspected.", shown)
        self.assertEqual(6, shown.count("| available "), shown)
        # Their root devices.
        self.assertEqual(6, shown.count("| *"), shown)
