import ast
import pathlib

import ddt

import tripleo_common
from tests.unit import base

ROOT = pathlib.Path(tripleo_common.__file__).parent

GROUND = {"config", "exceptions", "memory", "sealed", "vault"}
BELOW = {
    "actions": {"plan", "deployment", "baremetal", "validations", "clouds", *GROUND},
    "gate": {"clouds", *GROUND},
    "deployment": {"plan", "clouds", *GROUND},
    "baremetal": {"clouds", *GROUND},
    "validations": {"clouds", *GROUND},
    "plan": {"clouds", *GROUND},
    "clouds": GROUND,
    # Its Mistral serves the gate, and stores nothing that this has sealed.
    "undercloud": {"gate", "sealed", "config", "exceptions"},
    "expressions": {"config", "exceptions"},
    "sealed": {"vault", "config", "exceptions"},
    "vault": {"config", "exceptions"},
    "memory": set(),
    "config": set(),
    "exceptions": set(),
}
"""Package to what it may import of this project."""

MODULES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))

CLIENTS = {
    "heatclient": {"clouds", "deployment", "plan"},
    "ironicclient": {"clouds", "baremetal"},
    "keystoneauth1": {"clouds", "undercloud"},
    "mistralclient": {"clouds", "deployment", "plan", "undercloud"},
    "openstack": {"clouds"},
    # Of plan only sources, which fetches from where a caller says; see the test below.
    "requests": {"clouds", "undercloud", "plan"},
    "swiftclient": {"clouds", "plan", "baremetal"},
}
"""Client library to the packages that may know it."""

PURE = (
    "capabilities",
    "changes",
    "names",
    "parameters",
    "passwords",
    "placements",
    "plan_environment",
    "references",
    "render",
    "revisions",
    "roles",
    "secrets",
    "tarball",
    "yaml_files",
)
"""Modules of ``plan`` that are functions from data to data."""

PURE_TOO = (
    "_node_text",
    "_node_values",
    "drivers",
    "inventory",
    "matching",
    "node_data",
    "root_device",
    "states",
)
"""Those of ``baremetal``."""


def imports(module):
    """Return the dotted names that a module imports, wherever in it they are imported."""
    package = ("tripleo_common", *pathlib.PurePath(module).parts[:-1])
    for node in ast.walk(ast.parse((ROOT / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            origin = ".".join((*start, *filter(None, [node.module])))
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def layer(module):
    return pathlib.PurePath(module).parts[0].removesuffix(".py")


@ddt.ddt
class Layers(base.TestCase):
    @ddt.data(*MODULES)
    def test_module_imports_only_what_is_below_it(self, module):
        own = layer(module)
        used = {
            name.split(".")[1] for name in imports(module) if name.startswith("tripleo_common.")
        }
        if own == "__init__":
            self.assertEqual(set(), used)
            return
        self.assertIn(own, BELOW, "a package that the design does not name")
        self.assertEqual(set(), used - BELOW[own] - {own})

    @ddt.data(*MODULES)
    def test_client_libraries_are_known_where_they_are_needed_alone(self, module):
        for name in imports(module):
            allowed = CLIENTS.get(name.split(".")[0])
            if allowed is not None:
                self.assertIn(layer(module), allowed, f"{module} imports {name}")

    def test_only_sources_fetch_from_elsewhere(self):
        users = {
            module
            for module in MODULES
            if layer(module) == "plan"
            and any(name.split(".")[0] in ("requests", "urllib3") for name in imports(module))
        }
        self.assertEqual({"plan/sources/downloads.py"}, users)

    @ddt.data(*(f"plan/{name}.py" for name in PURE), *(f"baremetal/{name}.py" for name in PURE_TOO))
    def test_pure_module_knows_no_cloud(self, name):
        for used in imports(name):
            self.assertFalse(used.startswith("tripleo_common.clouds"), used)
            self.assertNotIn(used.split(".")[0], CLIENTS)

    def test_the_rule_itself_sees_imports(self):
        self.assertIn("tripleo_common.clouds", set(imports("plan/plans.py")))
        self.assertIn("tripleo_common.exceptions", set(imports("clouds/deadline.py")))
