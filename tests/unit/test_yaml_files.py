import datetime
import subprocess
import sys

import ddt

from tests.unit import base
from tripleo_common import exceptions
from tripleo_common.plan import yaml_files


def bomb(levels=12, width=10, inner="[{}]"):
    """Return a document of a few hundred bytes whose aliases stand for width ** levels values."""
    lines = ["l0: &l0 x"]
    for level in range(1, levels):
        children = ", ".join([f"*l{level - 1}"] * width)
        lines.append(f"l{level}: &l{level} {inner.format(children)}")
    return "\n".join(lines)


@ddt.ddt
class Load(base.TestCase):
    def refused(self, text):
        """Check that a document is refused, without showing what it would have been."""
        return self.assertRaises(
            exceptions.YAMLInvalid, lambda: yaml_files.load(text, "a.yaml") is None
        )

    @ddt.data(
        ("a: 1\nb: [1, 2\nc: 3\n", 3, 2),
        ("a: 1\n b: 2\n", 2, 3),
        ("a: *nothing\n", 1, 4),
        ("a: 'open\n", 2, 1),
        ("\tx: 1\n", 1, 1),
        ("a: b: c\n", 1, 5),
    )
    @ddt.unpack
    def test_error_names_file_line_and_column(self, text, line, column):
        error = self.assertRaises(exceptions.YAMLInvalid, yaml_files.load, text, "x/a.yaml")
        self.assertEqual(("x/a.yaml", line, column), (error.path, error.line, error.column))
        self.assertTrue(error.message.startswith(f"x/a.yaml:{line}:{column}: "), error.message)

    @ddt.data(
        "!!python/object/apply:os.system ['true']",
        "!!python/name:os.system",
        "!!python/object/new:os.system [true]",
        "!!python/tuple [1]",
        "!mine x",
        "a: !ruby/object:X {}",
    )
    def test_tag_that_is_no_plain_data_is_refused(self, text):
        error = self.refused(text)
        self.assertEqual(1, error.line)

    @ddt.data("[{}]", "{{a: [{}]}}", "!!pairs [x: [{}]]", "!!omap [x: [{}]]")
    def test_aliases_that_stand_for_too_much_are_refused(self, inner):
        self.assertIn("a.yaml", self.refused(bomb(inner=inner)).message)

    def test_merged_mappings_that_stand_for_too_much_are_refused(self):
        text = bomb(levels=8, inner="{{<<: [{}]}}").replace("&l0 x", "&l0 {k: 1}")
        self.refused(text)

    @ddt.data("&a [*a]", "a: &a {b: *a}", "&a [[[{x: *a}]]]", "&a !!pairs [x: *a]")
    def test_document_that_holds_itself_is_refused(self, text):
        self.refused(text)

    @ddt.data("[" * 5000 + "]" * 5000, "{a: " * 5000 + "}" * 5000)
    def test_document_nested_too_deeply_is_refused(self, text):
        self.refused(text)

    @ddt.data("'[' * 200000", "'{a: ' * 200000", "'- ' * 200000")
    def test_nesting_however_deep_does_not_end_the_process(self, expression):
        program = (
            "from tripleo_common.plan import yaml_files\n"
            "from tripleo_common import exceptions\n"
            f"try: yaml_files.load({expression}, 'a.yaml')\n"
            "except exceptions.YAMLInvalid: print('refused')\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )
        self.assertEqual((0, "refused\n"), (done.returncode, done.stdout), done.stderr[-300:])

    @ddt.data("a: \0", "a: \udcff", "a: 1\n---\nb: 2\n", "a: !!timestamp 2021-99-16", "? [a]\n: b")
    def test_what_no_yaml_should_hold_is_a_typed_error(self, text):
        self.refused(text)

    def test_few_aliases_are_fine(self):
        self.assertEqual(
            {"a": [1], "b": [[1], [1]]}, yaml_files.load("a: &a [1]\nb: [*a, *a]", "a.yaml")
        )

    @ddt.data("2021-04-16", "2001-12-14t21:59:43.10-05:00")
    def test_date_stays_text(self, text):
        loaded = yaml_files.load(f"heat_template_version: {text}", "a.yaml")
        self.assertEqual({"heat_template_version": text}, loaded)
        self.assertNotIsInstance(loaded["heat_template_version"], datetime.date)

    def test_file_over_the_limit_is_refused_with_the_option(self):
        self.set_options(file_max_mib=1)
        text = "a: " + "x" * (2**20)
        error = self.assertRaises(exceptions.LimitExceeded, yaml_files.load, text, "big.yaml")
        self.assertEqual(("big.yaml", 1, "file_max_mib"), (error.what, error.limit, error.option))

    def test_empty_file_is_an_empty_mapping_where_one_is_needed(self):
        self.assertEqual({}, yaml_files.load_mapping("# nothing\n", "a.yaml"))
        self.assertIsNone(yaml_files.load("", "a.yaml"))

    @ddt.data("[1]", "text", "5", "true")
    def test_anything_but_a_mapping_is_refused_where_one_is_needed(self, text):
        error = self.assertRaises(exceptions.YAMLInvalid, yaml_files.load_mapping, text, "a.yaml")
        self.assertIn("mapping", error.message)


@ddt.ddt
class Dump(base.TestCase):
    @ddt.data(
        {"a": [1, 2.5, True, None, "x"], "b": {}},
        {"heat_template_version": "2021-04-16"},
        {"yes": "no", "on": "off", "n": "null", "e": "", "o": "010", "t": "12:30:45"},
        {"text": "several\nlines: {with} [signs]\n", "ä": "☃", "trailing ": " space "},
        {"list": [{"get_param": "A"}, ["x", ["y"]]]},
    )
    def test_what_is_written_is_read_as_the_same_data(self, document):
        self.assertEqual(document, yaml_files.load(yaml_files.dump(document), "a.yaml"))

    def test_order_is_kept(self):
        text = yaml_files.dump({"b": 1, "a": 2})
        self.assertEqual(["b", "a"], list(yaml_files.load(text, "a.yaml")))

    def test_shared_values_are_written_out(self):
        shared = {"x": 1}
        self.assertNotIn("*", yaml_files.dump({"a": shared, "b": shared}))
