import os
import subprocess
import sys
import time

import ddt
import fixtures
import jinja2.filters
import jinja2.tests

from tests.unit import base
from tripleo_common import exceptions
from tripleo_common.plan import render, rendering

PLAN = {
    "roles_data.yaml": "- name: Controller\n- name: Compute\n",
    "network_data.yaml": "- name: Storage\n",
    "a.j2.yaml": "{% include 'd/i' %} {{ networks|length }}",
    "b.role.j2.yaml": "{{ role.name }} {{ role.tags|join }}",
    "d/i": "{{ roles|map(attribute='name')|join(' ') }} é \u4e16 \U0001f600 \ud800 \x01 \"'\\ \n\n",
    "network.network.j2.yaml": "{{ network.idx }}",
    "nothing.txt": "x",
}


def error_of(function, *arguments, **choices):
    """Return the error that a function must raise."""
    try:
        function(*arguments, **choices)
    except exceptions.TripleOError as error:
        return error
    raise AssertionError("there was no error")


@ddt.ddt
class SameAsInProcess(base.TestCase):
    """The child is nothing that a caller has to know of."""

    @ddt.data(
        PLAN, {}, {"nothing.txt": "x"}, {"a.j2.yaml": ""}, {"a.j2.yaml": "x" * (8 * 2**20 - 1)}
    )
    def test_files(self, files):
        self.assertEqual(render.render(files), rendering.run(files))

    def test_choices(self):
        files = {**PLAN, "d/r.yaml": "- name: A", "d/n.yaml": "[]"}
        choices = {"roles_file": "d/r.yaml", "networks_file": "d/n.yaml"}
        made = rendering.run(files, **choices)
        self.assertEqual(render.render(files, **choices), made)
        self.assertEqual({"a.yaml", "a-b.yaml"}, set(made))

    @ddt.data(
        (exceptions.TemplateInvalid, {"d/a.j2.yaml": "x\n{% for %}"}, {}),
        (exceptions.TemplateInvalid, {"d/a.j2.yaml": "x\n{{ misspelt }}"}, {}),
        (exceptions.TemplateInvalid, {"a.j2.yaml": "{% include 'a.j2.yaml' %}"}, {}),
        (exceptions.TemplateInvalid, {"a.j2.yaml": "{{ '\\N{nothing}' }}"}, {}),
        (exceptions.YAMLInvalid, {"roles_data.yaml": "- [unclosed"}, {}),
        (exceptions.YAMLInvalid, {"network_data.yaml": "é: 1"}, {}),
        (exceptions.YAMLInvalid, {"j2_excludes.yaml": "[" * 200}, {}),
        (exceptions.FileNotInPlan, {"d/a.j2.yaml": "{% include 'b' %}"}, {}),
        (exceptions.FileNotInPlan, {}, {"roles_file": "r.yaml"}),
        (exceptions.PathInvalid, {"d/a.j2.yaml": "{% include '../../b' %}"}, {}),
        (exceptions.PathInvalid, {}, {"networks_file": ["/etc/passwd"]}),
        (exceptions.LimitExceeded, {"a.j2.yaml": "{{ 'x' * 9000000 }}"}, {}),
    )
    @ddt.unpack
    def test_errors(self, kind, files, choices):
        expected = error_of(render.render, files, **choices)
        error = error_of(rendering.run, files, **choices)
        self.assertIs(kind, type(error))
        self.assertEqual(vars(expected), vars(error))
        self.assertEqual((expected.args, str(expected)), (error.args, str(error)))
        self.assertEqual(expected.to_dict(), error.to_dict())

    @ddt.data(
        ("file_max_mib", {"file_max_mib": 1}, "{{ 'x' * 2000000 }}"),
        ("plan_max_mib", {"plan_max_mib": 1}, "{{ 'x' * 1500000 }}"),
        ("plan_max_files", {"plan_max_files": 1}, "x"),
    )
    @ddt.unpack
    def test_options(self, option, options, text):
        self.set_options(**options)
        files = {"roles_data.yaml": "- name: A\n- name: B\n", "a.role.j2.yaml": text}
        self.assertEqual(option, error_of(rendering.run, files).option)

    def test_filters_and_tests_that_import_when_they_are_used(self):
        arguments = {"batch": "(2)", "map": "('upper')", "replace": "('a', 'b')", "slice": "(2)"}
        asked = [f"|{name}{arguments.get(name, '')}" for name in sorted(jinja2.filters.FILTERS)]
        asked += [f" is {name}" for name in sorted(jinja2.tests.TESTS)]
        values = ("'a <b> &lt; http://x.org é'", "['b', 'a']", "{'a': 'b'}", "3.5", "1.0e400")
        files = {
            f"{number}-{which}.j2.yaml": "{{ " + value + what + " }}"
            for number, what in enumerate(asked)
            for which, value in enumerate(values)
            # Not the same twice.
            if what != "|random"
        }
        files["a.j2.yaml"] = "{{ '\\N{EM DASH}\\u1234\\x41é' }}{{ lipsum(n=1)|length > 9 }}"
        expected = {}
        for path, text in list(files.items()):
            try:
                expected.update(render.render({path: text}))
            except exceptions.TemplateInvalid:
                del files[path]
        expected = {p: t for p, t in expected.items() if " at 0x" not in t}
        self.assertGreater(len(expected), 200)
        made = rendering.run(files)
        for path, text in expected.items():
            self.assertEqual(text, made[path], files[path.replace(".yaml", ".j2.yaml")])


@ddt.ddt
class Limits(base.TestCase):
    """One expression can take everything there is."""

    @ddt.data(
        "{{ 'x' * 10**10 }}",
        "{% set n = namespace(x='xxxx') %}\n{% for i in range(99) %}{% set n.x = n.x ~ n.x %}"
        "{% endfor %}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '{:>1000000000}'.format('') }}",
        "{{ ' '.join(['x' * 10000] * 100000) }}",
        "{{ ([1] * 10**9)|length }}",
        "{{ 'x'|indent(10**9) }}{{ 'x\\nx'|indent(10**9) }}",
    )
    def test_memory(self, text):
        self.set_options(render_memory_mib=256, file_max_mib=900)
        files = {"a.j2.yaml": "x", "b.j2.yaml": text}
        error = self.assertRaises(exceptions.TemplateInvalid, rendering.run, files)
        self.assertEqual("b.j2.yaml", error.path)
        self.assertIn("256 MiB of memory (option render_memory_mib", error.message)

    def test_time_of_one_expression(self):
        self.set_options(render_timeout=1)
        files = {"a.j2.yaml": "x", "b.j2.yaml": "{{ (((10 ** 4000) ** 40) ** 40) ** 40 }}"}
        error = self.assertRaises(exceptions.TemplateInvalid, rendering.run, files)
        self.assertEqual("b.j2.yaml", error.path)
        self.assertIn("not ended after 1 seconds (option render_timeout", error.message)

    def test_time_of_a_loop(self):
        self.set_options(render_timeout=1)
        loop = "{% for i in range(99999) %}{% for i in range(99999) %}{% endfor %}{% endfor %}"
        error = self.assertRaises(exceptions.TemplateInvalid, rendering.run, {"a.j2.yaml": loop})
        self.assertIn("render_timeout", error.message)

    def test_child_that_the_kernel_does_not_stop_is_ended(self):
        self.useFixture(fixtures.MonkeyPatch("tripleo_common.plan.rendering._SLACK", -59))
        began = time.monotonic()
        files = {"a.j2.yaml": "{{ (((10 ** 4000) ** 40) ** 40) ** 40 }}"}
        error = self.assertRaises(exceptions.TemplateInvalid, rendering.run, files)
        self.assertIn("render_timeout", error.message)
        # Far less than the 60 seconds of the option, after which the kernel would have done it.
        self.assertLess(time.monotonic() - began, 30)

    @ddt.data(
        "open('/dev/null')",
        "__import__('socket').socket()",
        "__import__('os').pipe()",
        "bytearray(2 ** 30)",
        "__import__('os').truncate('x', 500 * 2 ** 20)",
    )
    def test_child_cannot_do_harm_even_past_the_sandbox(self, expression):
        program = (
            "import socket\n"
            "from tripleo_common.plan import rendering\n"
            "rendering._limit_self()\n"
            f"try: {expression}\n"
            "except (OSError, MemoryError): print('refused')\n"
        )
        directory = self.temporary()
        with open(os.path.join(directory, "x"), "w"):
            pass
        result = subprocess.run(
            [sys.executable, "-I", "-c", program],
            cwd=directory,
            capture_output=True,
            text=True,
            check=True,
        )
        self.assertEqual("refused\n", result.stdout)


@ddt.ddt
class Child(base.TestCase):
    """What the child is given, and what becomes of an answer that is none."""

    def stand_in(self, script):
        """Let a shell script be the child."""
        path = os.path.join(self.temporary(), "python")
        with open(path, "w") as file:
            file.write(f"#!/bin/sh\n{script}\n")
        os.chmod(path, 0o700)
        self.useFixture(fixtures.MonkeyPatch("sys.executable", path))

    def test_child_knows_nothing_of_the_executor(self):
        self.useFixture(fixtures.EnvironmentVariable("OS_PASSWORD", "canary-9d1f"))
        self.stand_in("echo $(/usr/bin/env; pwd; /bin/ls -l /proc/$$/fd) >&2; exit 1")
        with open(os.path.join(self.temporary(), "canary-5ab0"), "w") as file:
            os.set_inheritable(file.fileno(), True)
            error = self.assertRaises(RuntimeError, rendering.run, PLAN)
        self.assertNotIn("canary", str(error))
        self.assertIn(" PWD=/ ", str(error))
        self.assertIn(" 2 -> ", str(error))

    def test_child_is_not_told_by_variables_where_to_find_its_modules(self):
        directory = self.temporary()
        with open(os.path.join(directory, "jinja2.py"), "w") as file:
            file.write("raise SystemExit('canary')")
        self.useFixture(fixtures.EnvironmentVariable("PYTHONPATH", directory))
        self.assertEqual({"a.yaml": "x"}, rendering.run({"a.j2.yaml": "x"}))

    def test_child_that_does_not_start_is_a_fault_of_this_software(self):
        self.stand_in("echo No module named tripleo_common >&2; exit 1")
        error = self.assertRaises(RuntimeError, rendering.run, PLAN)
        self.assertIn("No module named tripleo_common", str(error))

    @ddt.data("SEGV", "KILL", "ABRT")
    def test_child_that_is_killed_names_its_template(self, signal):
        self.stand_in(
            """echo '["at", "a.j2.yaml"]'; echo '["file", "x", "y"]'; echo '["at", "b.j2.yaml"]'
            printf '["at", "cut'; kill -s """
            + signal
            + " $$"
        )
        error = self.assertRaises(exceptions.TemplateInvalid, rendering.run, PLAN)
        self.assertEqual("b.j2.yaml", error.path)

    def test_child_that_tells_half_has_told_nothing(self):
        self.stand_in("""echo '["file", "a.yaml", "x"]'; exit 0""")
        self.assertRaises(RuntimeError, rendering.run, PLAN)

    @ddt.data(
        "5",
        "{}",
        "[]",
        "nonsense",
        '["file", "a", 5]',
        '["file", ["a"], "x"]',
        '["end", 1]',
        '["error", {"type": "SystemExit", "message": "x", "details": {}}]',
        '["error", {"type": "Iterable", "message": "x", "details": {}}]',
        '["error", {"type": ["x"], "message": "x", "details": {}}]',
        '["error", {"type": "annotations", "message": "x", "details": {}}]',
        '["error", "x"]',
    )
    def test_answer_that_is_none_is_a_fault_of_this_software(self, answer):
        self.stand_in(f"echo '{answer}'")
        try:
            rendering.run(PLAN)
        except (RuntimeError, ValueError):
            return
        self.fail("it was taken for an answer")
