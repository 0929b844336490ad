"""Rendering makes of tripleo-heat-templates what their own tool makes of them."""

import subprocess
import sys
from pathlib import Path

import ddt
import fixtures
import testtools
import yaml

from tests.functional import tht
from tripleo_common.plan import rendering

ISOLATION = "network-data-samples/default-network-isolation.yaml"


def process(output, roles_file, networks_file):
    """Run the templates' own tool; return path to content of what it rendered."""
    tree = tht.tree()
    subprocess.run(
        [
            sys.executable,
            "tools/process-templates.py",
            "--output-dir",
            output,
            "--roles-data",
            roles_file,
            "--network-data",
            networks_file,
        ],
        cwd=tree,
        stdout=subprocess.DEVNULL,
        timeout=300,
        check=True,
    )
    paths = (path for path in Path(output).rglob("*") if path.is_file())
    # It copies everything else.
    return {
        name: path.read_bytes()
        for path in paths
        if not (tree / (name := path.relative_to(output).as_posix())).exists()
    }


@ddt.ddt
class ThtRendering(testtools.TestCase):
    def compare(self, files, roles_file, networks_file, roles_path=None):
        output = self.useFixture(fixtures.TempDir()).path
        theirs = process(output, roles_path or roles_file, networks_file)
        ours = rendering.run(files, roles_file=roles_file, networks_file=networks_file)
        self.assertEqual(sorted(theirs), sorted(ours))
        self.assertEqual([], [path for path in ours if ours[path].encode() != theirs[path]])
        # More than the plain templates alone: all the rest of this could be empty.
        self.assertGreater(len(ours), 30)

    @ddt.data(
        ("roles_data.yaml", "network_data_default.yaml"),
        ("roles_data.yaml", "network_data_undercloud.yaml"),
        ("roles_data.yaml", ISOLATION),
        ("roles_data_standalone.yaml", "network_data_default.yaml"),
        ("roles_data_standalone.yaml", ISOLATION),
        ("roles_data_undercloud.yaml", "network_data_undercloud.yaml"),
    )
    @ddt.unpack
    def test_same_files_with_the_same_content(self, roles_file, networks_file):
        self.compare(tht.files(), roles_file, networks_file)

    def test_every_role_there_is_gets_the_tags_that_its_name_stands_for(self):
        files = tht.files()
        roles = []
        for path in sorted(files):
            if path.startswith("roles/") and path.endswith(".yaml"):
                roles += yaml.safe_load(files[path])
        for role in roles:
            role.pop("tags", None)
        text = yaml.safe_dump(roles)
        path = Path(self.useFixture(fixtures.TempDir()).path) / "roles.yaml"
        path.write_text(text)
        self.compare({**files, "r.yaml": text}, "r.yaml", ISOLATION, roles_path=str(path))

    def test_without_a_choice_of_networks_the_default_file_is_taken(self):
        files = tht.files()
        self.assertNotIn("network_data.yaml", files)
        expected = rendering.run(files, networks_file="network_data_default.yaml")
        self.assertEqual(expected, rendering.run(files))
