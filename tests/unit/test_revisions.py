import json

import ddt
import fixtures

from tests.unit import base
from tripleo_common.plan import archive, revisions, secrets

RECORD_BYTES = 64 * 1024


def files(**contents):
    return archive.Files.of(
        {
            path.replace("__", "/").replace("_", "."): c if isinstance(c, bytes) else c.encode()
            for path, c in contents.items()
        }
    )


def diff(before=None, after=None, old=None, new=None, **more):
    return revisions.diff(before or files(), old or {}, after or files(), new or {}, **more)


class Summary(base.TestCase):
    def summary(self, before, old, after, new):
        return revisions.summary(before, old, after, new)

    def test_nothing_changed_is_nothing(self):
        same = files(a_yaml="a")
        variables = {"environments": [{"path": "a"}], "parameter_defaults": {"A": 1}}
        self.assertEqual({}, self.summary(same, variables, same, dict(variables)))

    def test_all_kinds_of_change_are_named(self):
        found = self.summary(
            files(a_yaml="a", b_yaml="b"),
            {
                "environments": [{"path": "x"}, {"path": "y"}],
                "parameter_defaults": {"A": 1, "B": 1},
                "passwords": {"P": "encrypted:1"},
                "roles": ["A"],
                "template": "t",
            },
            files(b_yaml="c", c_yaml="c"),
            {
                "environments": [{"path": "y"}, {"data": {"secret": 1}}],
                "parameter_defaults": {"B": 2, "C": 1},
                "passwords": {"P": "encrypted:2"},
                "roles": ["A", "B"],
                "template": "t",
            },
        )
        self.assertEqual(
            {
                "files": {
                    "added": {"count": 1, "paths": ["c.yaml"]},
                    "changed": {"count": 1, "paths": ["b.yaml"]},
                    "removed": {"count": 1, "paths": ["a.yaml"]},
                },
                "environments": {
                    "added": ["(inline)"],
                    "removed": ["x"],
                    "order": ["y", "(inline)"],
                },
                "parameter_defaults": {"added": ["C"], "changed": ["B"], "removed": ["A"]},
                "passwords": {"changed": ["P"]},
                "roles": {"from": ["A"], "to": ["A", "B"]},
            },
            found,
        )

    def test_no_value_is_named(self):
        found = self.summary(
            files(),
            {},
            files(a_yaml="canary"),
            {"parameter_defaults": {"A": "canary"}, "passwords": {"P": "canary"}},
        )
        self.assertNotIn("canary", json.dumps(found))

    def test_order_of_environments_counts(self):
        found = self.summary(
            files(),
            {"environments": [{"path": "x"}, {"path": "y"}]},
            files(),
            {"environments": [{"path": "y"}, {"path": "x"}]},
        )
        self.assertEqual({"environments": {"added": [], "removed": [], "order": ["y", "x"]}}, found)

    def test_it_stays_small_whatever_changes(self):
        many = {f"Parameter{n:06}": n for n in range(20_000)}
        found = self.summary(
            files(),
            {},
            archive.Files.of({f"directory/{n}.yaml": b"x" for n in range(3000)}),
            {
                "parameter_defaults": many,
                "passwords": many,
                "environments": [{"path": f"environments/{n}.yaml"} for n in range(3000)],
            },
        )
        self.assertTrue(len(json.dumps(found)) < 10_000)
        self.assertEqual(3000, found["files"]["added"]["count"])
        self.assertIn("20000", found["parameter_defaults"]["added"][-1])

    def test_what_clients_wrote_of_any_type_is_no_obstacle(self):
        good = {
            "environments": [{"path": "x"}],
            "parameter_defaults": {"A": 1},
            "passwords": {"P": 1},
        }
        for key in good:
            for value in (None, 5, "text", ["a"], [5], [None], {"a": 1}, True):
                with self.subTest(key=key, value=value):
                    json.dumps(self.summary(files(), {**good, key: value}, files(), good))
                    diff(old={**good, key: value}, new=good)
                    revisions.not_undone({**good, key: value, "roles": value}, good, True)


@ddt.ddt
class Diff(base.TestCase):
    def test_unified_diff_of_each_kind_of_change(self):
        found = diff(
            files(a_yaml="1\n2\n3\n", b_yaml="b\n"),
            files(a_yaml="1\n2x\n3\n", c_yaml="c\n"),
        )
        self.assertEqual(
            [
                {
                    "path": "a.yaml",
                    "change": "changed",
                    "added": 1,
                    "removed": 1,
                    "diff": "--- a/a.yaml\n+++ b/a.yaml\n@@ -1,3 +1,3 @@\n 1\n-2\n+2x\n 3\n",
                },
                {
                    "path": "b.yaml",
                    "change": "removed",
                    "added": 0,
                    "removed": 1,
                    "diff": "--- a/b.yaml\n+++ /dev/null\n@@ -1 +0,0 @@\n-b\n",
                },
                {
                    "path": "c.yaml",
                    "change": "added",
                    "added": 1,
                    "removed": 0,
                    "diff": "--- /dev/null\n+++ b/c.yaml\n@@ -0,0 +1 @@\n+c\n",
                },
            ],
            found["files"],
        )
        self.assertFalse(found["truncated"])

    def test_missing_end_of_line_is_told(self):
        (entry,) = diff(files(a="x"), files(a="x\n"))["files"]
        self.assertIn("-x\n\\ No newline at end of file\n+x\n", entry["diff"])

    @ddt.data("\x0c", "\x0b", "\x1c", "\u2028", "\x85", "\r")
    def test_only_the_end_of_a_line_ends_a_line(self, character):
        (entry,) = diff(files(a="one\n"), files(a=f"one{character}two\n"))["files"]
        self.assertEqual((1, 1), (entry["added"], entry["removed"]))
        self.assertNotIn("No newline", entry["diff"])

    def test_lines_that_look_like_headers_are_counted(self):
        (entry,) = diff(files(a="-- x\n"), files(a="++ x\n"))["files"]
        self.assertEqual((1, 1), (entry["added"], entry["removed"]))

    @ddt.data(b"\xff\xfe\x00", b"\x89PNG\xff")
    def test_file_that_is_no_text_is_only_named(self, content):
        for before, after in (
            (files(a=content), files(a="text")),
            (files(a="text"), files(a=content)),
            (files(), files(a=content)),
        ):
            (entry,) = diff(before, after)["files"]
            self.assertIsNone(entry["diff"])
            self.assertEqual("a", entry["path"])

    @ddt.data(
        ("x", 200_000),
        ("ä", 30_000),
        ("\x01\n", 20_000),
        ("\\\n", 9_000),
        ("\U0001f600", 5_000),
    )
    @ddt.unpack
    def test_large_file_is_only_named_and_the_answer_says_so(self, text, times):
        found = diff(files(), files(a=text * times, b="small\n"))
        self.assertTrue(found["truncated"] or found["files"][0]["diff"] is None)
        self.assertIsNone(found["files"][0]["diff"])
        self.assertIn("+small", found["files"][1]["diff"])
        self.assertTrue(len(json.dumps(found)) < RECORD_BYTES)

    def test_answer_fits_into_a_record_whatever_changes(self):
        many = archive.Files.of(
            {f"a/long/path/of/a/directory/{n:05}.yaml": b"line\n" * 50 for n in range(3000)}
        )
        new = {
            "parameter_defaults": {f"P{n}" * 10: "ä" * 150 for n in range(2000)},
            "passwords": {f"Password{n}": "encrypted:x" for n in range(100)},
            "environments": [{"path": f"environments/directory/{n}.yaml"} for n in range(2000)],
            "roles": [f"Role{n}" for n in range(50)],
        }
        found = diff(files(), many, {}, new)
        self.assertTrue(found["truncated"])
        self.assertTrue(len(json.dumps(found)) < RECORD_BYTES)
        self.assertTrue(found["parameters"])
        self.assertTrue(found["files"])

    def test_small_answer_is_not_called_truncated(self):
        new = {"parameter_defaults": {f"P{n}": n for n in range(100)}}
        found = diff(files(), files(a="x\n"), {}, new)
        self.assertFalse(found["truncated"])
        self.assertEqual(100, len(found["parameters"]))

    def test_hostile_lines_do_not_take_long(self):
        lines = [f"{n % 97}\n" for n in range(4900)]
        with fixtures.Timeout(30, gentle=True):
            diff(files(a="".join(lines)), files(a="".join(reversed(lines))))
            diff(files(a="a\nb\n" * 20_000), files(a="b\na\n" * 20_000))

    def test_paths_restrict_to_files_and_directories(self):
        after = archive.Files.of(dict.fromkeys(("a/b.yaml", "a/c/d.yaml", "ab.yaml", "a"), b"x\n"))
        for wanted, found in (
            (["a/c"], ["a/c/d.yaml"]),
            (["a/c/"], ["a/c/d.yaml"]),
            (["ab.yaml"], ["ab.yaml"]),
            (["a"], ["a", "a/b.yaml", "a/c/d.yaml"]),
            (["none"], []),
            ([], []),
            ([""], []),
        ):
            result = diff(files(), after, paths=wanted)
            self.assertEqual(found, [entry["path"] for entry in result["files"]], wanted)
            self.assertNotIn("parameters", result)

    def test_parameters_are_shown_with_both_values(self):
        found = diff(
            old={"parameter_defaults": {"A": 1, "B": None, "C": [1], "Same": 1}},
            new={"parameter_defaults": {"A": 2, "C": None, "D": False, "Same": 1}},
        )
        self.assertEqual(
            {
                "A": {"from": 1, "to": 2},
                "B": {"from": None},
                "C": {"from": [1], "to": None},
                "D": {"to": False},
            },
            found["parameters"],
        )

    def test_secrets_are_only_said_to_be_changed(self):
        found = diff(
            old={"parameter_defaults": {"A": "encrypted:x", "H": "canary"}, "passwords": {"P": 1}},
            new={"parameter_defaults": {"A": "canary", "H": "canary2"}, "passwords": {"Q": 1}},
            hidden={"H"},
        )
        self.assertEqual({"A": "changed", "H": "changed"}, found["parameters"])
        self.assertEqual({"P": "removed", "Q": "added"}, found["passwords"])
        self.assertNotIn("canary", json.dumps(found))

    @ddt.data(
        "parameter_defaults:\n  Secret: canary\n",
        "parameter_defaults: {'Secret': canary}\n",
        'parameters: {"Secret": canary}\n',
        "parameter_defaults:\n  Secret: |\n    key\n    canary\n",
        "parameter_defaults: {% if x %}\n  Secret: canary\n",
        "parameter_defaults: [\n  Secret: canary\n",
    )
    def test_environment_that_sets_a_hidden_parameter_is_only_named(self, text):
        for before, after in ((files(), files(a=text)), (files(a=text), files(a="x: 1\n"))):
            (entry,) = diff(before, after, hidden={"Secret"})["files"]
            self.assertIsNone(entry["diff"])
            self.assertNotIn("canary", json.dumps(entry))

    @ddt.data(
        "heat_template_version: 2021-04-16\nparameters: {Secret: {hidden: true}}\n",
        "parameter_defaults: {Other: Secret}\n",
        "# Secret\n",
    )
    def test_other_files_that_name_one_are_shown(self, text):
        (entry,) = diff(files(), files(a=text), hidden={"Secret"})["files"]
        self.assertIn("Secret", entry["diff"])

    def test_file_that_we_write_ourselves_is_no_news(self):
        before = archive.Files.of({"plan-environment.yaml": b"a"})
        self.assertEqual([], diff(before, files())["files"])

    def test_roots_are_told_when_they_change(self):
        found = diff(old={"template": "a", "roles": ["A"]}, new={"template": "b", "roles": ["A"]})
        self.assertEqual({"from": "a", "to": "b"}, found["template"])
        self.assertNotIn("roles", found)

    def test_mask_is_never_taken_for_a_value(self):
        found = diff(old={}, new={"parameter_defaults": {"A": "encrypted:x"}})
        self.assertEqual("changed", found["parameters"]["A"])
        self.assertNotIn(secrets.MASK, json.dumps(found))


class NotUndone(base.TestCase):
    def told(self, deployed, target, changed_files=False):
        return " ".join(revisions.not_undone(deployed, target, changed_files))

    def test_it_always_says_that_the_stack_stays(self):
        self.assertIn("deploy it", self.told({}, {}))
        self.assertEqual(1, len(revisions.not_undone({}, {}, False)))

    def test_each_kind_of_loss_is_told(self):
        self.assertIn(
            "roles Storage are deleted", self.told({"roles": ["A", "Storage"]}, {"roles": ["A"]})
        )
        self.assertIn(
            "roles Storage are made anew", self.told({"roles": ["A"]}, {"roles": ["A", "Storage"]})
        )
        self.assertIn(
            "ComputeCount changes",
            self.told({"parameter_defaults": {"ComputeCount": 3}}, {"parameter_defaults": {}}),
        )
        self.assertIn(
            "Passwords differ", self.told({"passwords": {"P": 1}}, {"passwords": {"P": 2}})
        )
        self.assertIn("schemas", self.told({}, {}, changed_files=True))
        self.assertIn("schemas", self.told({"environments": [{"path": "a"}]}, {}))

    def test_no_value_is_told(self):
        told = self.told(
            {"passwords": {"P": "canary"}, "parameter_defaults": {"ACount": "canary"}}, {}
        )
        self.assertNotIn("canary", told)


class Placed(base.TestCase):
    """What has become of a plan's placements."""

    def placed(self, **regions):
        return {
            "placements": [
                {"cloud": None, "region": region, "parameter_defaults": values}
                for region, values in regions.items()
            ]
        }

    def setUp(self):
        super().setUp()
        self.use_keys()
        closed = [secrets.Vault.from_options().encrypt(value) for value in ("canary-1", "canary-2")]
        self.old = self.placed(one={"A": 1, "B": 1, "P": closed[0]}, two={})
        self.new = self.placed(one={"A": 2, "C": 1, "P": closed[1]}, three={"A": 5})

    def test_a_summary_names_places_and_parameters(self):
        found = revisions.summary(files(), self.old, files(), self.new)
        self.assertEqual(
            {
                "added": ["three"],
                "removed": ["two"],
                "parameters": {"one": {"added": ["C"], "changed": ["A", "P"], "removed": ["B"]}},
            },
            found["placements"],
        )

    def test_a_diff_shows_values_but_no_secrets(self):
        found = diff(old=self.old, new=self.new, hidden={"C"})["placements"]
        self.assertEqual(
            {"A": {"from": 1, "to": 2}, "B": {"from": 1}, "C": "changed", "P": "changed"},
            found["parameters"]["one"],
        )
        self.assertNotIn("canary", json.dumps(found))

    def test_the_same_places_are_nothing(self):
        self.assertNotIn("placements", revisions.summary(files(), self.old, files(), self.old))
        self.assertEqual({}, diff(old=self.old, new=self.old)["placements"])
