import copy
import itertools
import json
import pathlib
import random

import ddt

from tests.unit import base
from tripleo_common import config, exceptions
from tripleo_common.plan import capabilities, render, tarball, yaml_files

FILES = (
    "overcloud.yaml",
    "registry.yaml",
    "capabilities-map.yaml",
    "environments/source.j2.yaml",
    *(f"environments/{letter}.yaml" for letter in "abcdefgh"),
)


def env(letter):
    return f"environments/{letter}.yaml"


def item(letter, *requires, **keys):
    return {"file": env(letter), "requires": [*map(env, requires)], **keys}


def group(*items, **keys):
    return {"environments": list(items), **keys}


def document(*groups, **keys):
    """Return a map with one topic."""
    return {
        "root_template": "overcloud.yaml",
        "root_environment": "registry.yaml",
        "topics": [{"title": "T", "environment_groups": list(groups)}],
        **keys,
    }


def parse(map_, files=FILES, **options):
    return capabilities.parse(yaml_files.dump(map_), files, **options)


def choice(letters, root=True):
    """Return a plan's environments: the root's and those of some letters."""
    return [
        {"path": path} for path in [*["registry.yaml"][: int(root)], *(env(x) for x in letters)]
    ]


def letters(environments):
    """Return a plan's environments in short: R for the root, D for data."""
    return "".join(
        "D" if "path" not in x else "R" if x["path"] == "registry.yaml" else x["path"][-6]
        for x in environments
    )


@ddt.ddt
class Parse(base.TestCase):
    def refused(self, map_, kind=exceptions.FileInvalid, **options):
        error = self.assertRaises(kind, parse, map_, **options)
        self.assertIn("capabilities-map.yaml", error.message)
        return error.message

    def test_everything_is_filled_in(self):
        found = capabilities.parse(
            "root_template: ./overcloud.yaml\n"
            "root_environment: registry.yaml\n"
            "topics:\n"
            "- title: Storage\n"
            "  description:\n"
            "  color: red\n"
            "  environment_groups:\n"
            "  - title:\n"
            "    name: x\n"
            "    tags: [no-gui]\n"
            "    one_of: true\n"
            "    environments:\n"
            "    - file: environments/../environments/a.yaml\n"
            "      requires:\n"
            "    - file: environments/b.yaml\n"
            "      title: B\n"
            "      description: >\n"
            "        Two\n"
            "        lines.\n"
            "      requires: [registry.yaml, ./registry.yaml, environments/c.yaml]\n"
            "- title: Empty\n"
            "  environment_groups:\n",
            FILES,
        )
        self.assertEqual(
            {
                "root_template": "overcloud.yaml",
                "root_environment": "registry.yaml",
                "topics": [
                    {
                        "title": "Storage",
                        "description": None,
                        "environment_groups": [
                            {
                                "title": None,
                                "description": None,
                                "mutually_exclusive": True,
                                "one_of": True,
                                "environments": [
                                    {
                                        "file": env("a"),
                                        "title": env("a"),
                                        "description": None,
                                        "requires": [],
                                    },
                                    {
                                        "file": env("b"),
                                        "title": "B",
                                        "description": "Two lines.",
                                        "requires": ["registry.yaml", env("c")],
                                    },
                                ],
                            }
                        ],
                    },
                    {"title": "Empty", "description": None, "environment_groups": []},
                ],
            },
            found,
        )
        self.assertEqual(found, json.loads(json.dumps(found)))

    @ddt.data("", "topics:\n", "topics: []\n")
    def test_topics_may_be_left_out(self, topics):
        text = f"root_template: overcloud.yaml\nroot_environment: registry.yaml\n{topics}"
        self.assertEqual([], capabilities.parse(text, FILES)["topics"])

    def test_what_is_parsed_is_parsed_as_the_same(self):
        once = parse(document(group(item("a"), item("b", "c"), mutually_exclusive=True)))
        self.assertEqual(once, parse(once))

    def test_default_plan_has_a_good_map(self):
        tree = tarball.read_tree(pathlib.Path(config.options().templates_dir))
        files = {path: content.decode() for path, content in tree.items()}
        files.update(render.render(files))
        found = capabilities.parse(files[capabilities.FILE], files)
        shown = capabilities.view(found, [found["root_environment"]], files)
        self.assertEqual([], shown["Other"]["environment_groups"])
        self.assertEqual([], capabilities.check(found, [{"path": found["root_environment"]}]))

    @ddt.data("root_template", "root_environment")
    def test_missing_root_is_named(self, key):
        for value in (None, 5, [], {}, True):
            self.assertIn(f"missing key: {key}", self.refused(document(**{key: value})))
        map_ = document()
        del map_[key]
        self.assertIn(f"missing key: {key}", self.refused(map_))

    def test_roots_may_be_said_elsewhere(self):
        map_ = document(group(item("a")))
        del map_["root_template"], map_["root_environment"]
        found = parse(map_, roots_required=False)
        self.assertEqual((None, None), (found["root_template"], found["root_environment"]))
        self.assertEqual([], capabilities.check(found, []))
        self.refused(document(root_template=5), roots_required=False)

    @ddt.data("root_template", "root_environment")
    def test_root_that_is_not_in_the_plan(self, key):
        message = self.refused(document(**{key: "none.yaml"}), exceptions.FileNotInPlan)
        self.assertIn("none.yaml", message)

    @ddt.data("/etc/passwd", "../x.yaml", "http://x/y.yaml", "", "a\\b", "a\0b", "~/x", "a/../..")
    def test_hostile_path_is_refused_wherever_it_stands(self, path):
        for map_ in (
            document(root_template=path),
            document(root_environment=path),
            document(group({"file": path})),
            document(group({"file": env("a"), "requires": [path]})),
        ):
            self.refused(map_, exceptions.PathInvalid)

    @ddt.data(
        ({"topics": "x"}, "the map: topics must hold a list"),
        ({"topics": {"a": 1}}, "the map: topics must hold a list, and is a mapping"),
        ({"topics": [1]}, "item 1 of topics must be a mapping, and is a number"),
        ({"topics": [None]}, "item 1 of topics must be a mapping"),
        ({"topics": [{}]}, "topic 1 has no title"),
        ({"topics": [{"title": " "}]}, "topic 1 has no title"),
        ({"topics": [{"title": 5}]}, "topic 1: title must be text, and is a number"),
        ({"topics": [{"title": "Other"}]}, "topic 1 has the title Other"),
        ({"topics": [{"title": "A"}, {"title": "A "}]}, "topic 2 has the title of topic 1, A"),
        ({"topics": [{"title": "A", "description": []}]}, "topic 1 (A): description must be text"),
        ({"topics": [{"title": "A", "environment_groups": 1}]}, "topic 1 (A): environment_groups"),
        ({"topics": [{"title": "A", "environment_groups": ["x"]}]}, "item 1 of environment_groups"),
        ({"root_environment": "capabilities-map"}, "capabilities-map"),
        ({"root_environment": env("source.j2")}, "root_environment"),
    )
    @ddt.unpack
    def test_wrong_map(self, keys, words):
        files = [*FILES, "capabilities-map"]
        self.assertIn(words, self.refused(document(**keys), files=files))

    @ddt.data(
        (group(title=5), "topic 1 (T), group 1: title must be text"),
        (group(item("a"), title="G", mutually_exclusive="yes"), "group 1 (G): mutually_exclusive"),
        (group(item("a"), title="G", one_of=1), "group 1 (G): one_of must be true or false"),
        (group(title="G", one_of=True), "group 1 (G) is one_of and has no environments"),
        ({"environments": {}}, "group 1: environments must hold a list"),
        (group("a"), "item 1 of environments"),
        (group({}), "group 1, environment 1 has no file"),
        (group({"file": ["a"]}), "environment 1: file must name"),
        (group(item("a", title={})), "environment 1: title must be text, and is a mapping"),
        (group({"file": env("a"), "requires": env("b")}), "requires must hold a list, and is text"),
        (group({"file": env("a"), "requires": [{}]}), "requires must name files"),
        (group({"file": env("a"), "requires": [None]}), "requires must name files"),
        (group({"file": "environments/source.j2.yaml"}), "which is no environment"),
        (group({"file": env("a"), "requires": ["overcloud"]}), "which is no environment"),
        (group(item("a"), item("a")), "environment 2 names environments/a.yaml, as topic 1"),
        (group(item("a", "a")), "circle: environments/a.yaml -> environments/a.yaml"),
    )
    @ddt.unpack
    def test_wrong_group(self, wrong, words):
        self.assertIn(words, self.refused(document(wrong)))

    def test_all_missing_files_are_named_with_their_places(self):
        message = self.refused(document(group(item("x", "y")), group(item("a", "z"))))
        for part in (
            "environments/x.yaml (topic 1 (T), group 1, environment 1)",
            "environments/y.yaml",
            "environments/z.yaml (topic 1 (T), group 2, environment 1)",
        ):
            self.assertIn(part, message)

    def test_circle_reads_from_what_requires_to_what_is_required(self):
        message = self.refused(document(group(item("a", "b"), item("b", "c"), item("c", "a"))))
        circle = message.partition("circle: ")[2].split(" -> ")
        self.assertEqual(circle[0], circle[-1])
        pairs = {(x[-6], y[-6]) for x, y in itertools.pairwise(circle)}
        self.assertEqual({("a", "b"), ("b", "c"), ("c", "a")}, pairs)

    @ddt.data(
        [group(item("a", "b"), item("b"), mutually_exclusive=True)],
        [group(item("a", "b"), item("b"), one_of=True)],
        # By what is required in turn, also outside of the group.
        [group(item("a", "c"), item("b"), mutually_exclusive=True), group(item("c", "b"))],
        [group(item("c"), item("b"), mutually_exclusive=True), group(item("a", "b", "c"))],
        # The root environment is always chosen.
        [group({"file": "registry.yaml"}, item("a"), mutually_exclusive=True)],
    )
    def test_environment_that_can_never_be_chosen(self, groups):
        message = self.refused(document(*groups))
        self.assertIn("environments/a.yaml can never be chosen", message)

    def test_all_faults_are_told_and_many_are_counted(self):
        map_ = document(group(*({"file": 1} for _ in range(14)), title=2), root_template=None)
        message = self.refused(map_)
        self.assertIn("root_template", message)
        self.assertIn("title must be text", message)
        self.assertIn("environment 8", message)
        self.assertEqual(9, message.count("; ") - 1)
        self.assertTrue(message.endswith("; and 6 more"), message)

    @ddt.data("[1]", "text", "[", "a: *b")
    def test_what_is_no_mapping_is_refused(self, text):
        self.assertRaises(exceptions.YAMLInvalid, capabilities.parse, text, FILES)

    @ddt.data(
        "topics: !!set {a}",
        "topics: !!omap [a: 1]",
        "topics: [!!pairs [a: 1]]",
        "topics: [{title: !!binary aGk=}]",
        f"topics: [{{title: 0x{'f' * 6000}}}]",
        f"root_template: 0x{'f' * 6000}",
        "topics: [{title: .nan, environment_groups: [{one_of: .inf}]}]",
        "{1: 2, [a]: 3}",
        "topics: [{title: a, environment_groups: [{environments: [{file: {? [a] : b}}]}]}]",
    )
    def test_odd_yaml_is_a_typed_error_of_bounded_size(self, text):
        error = self.assertRaises(exceptions.FileInvalid, capabilities.parse, text, FILES)
        self.assertLess(len(error.message), 2000)

    def test_map_of_too_many_environments_is_refused(self):
        many = [f"environments/{number}.yaml" for number in range(1001)]
        map_ = document(group(*({"file": path} for path in many)))
        self.assertIn("1000 environments", self.refused(map_, files=[*FILES, *many]))

    def test_long_chain_is_read(self):
        many = [f"environments/{number}.yaml" for number in range(1000)]
        items = [{"file": path, "requires": many[:n][-1:]} for n, path in enumerate(many)]
        parse(document(group(*items)), files=[*FILES, *many])
        items[-1]["requires"] = many[:-1]
        message = self.refused(
            document(group(*items, mutually_exclusive=True)), files=[*FILES, *many]
        )
        self.assertLess(len(message), 20000)


class View(base.TestCase):
    MAP = document(
        group(item("a", "b", title="A"), item("b"), title="G", description="D", one_of=False),
        group(item("c"), mutually_exclusive=True),
    )

    def test_topics_say_what_is_enabled(self):
        found = capabilities.view(parse(self.MAP), {"registry.yaml", env("b")}, FILES[:6])
        topic = found["T"]
        self.assertEqual(("T", None), (topic["title"], topic["description"]))
        self.assertEqual(
            {
                "title": "G",
                "description": "D",
                "mutually_exclusive": False,
                "one_of": False,
                "environments": [
                    {
                        "file": env("a"),
                        "title": "A",
                        "description": None,
                        "requires": [env("b")],
                        "enabled": False,
                    },
                    {
                        "file": env("b"),
                        "title": env("b"),
                        "description": None,
                        "requires": [],
                        "enabled": True,
                    },
                ],
            },
            topic["environment_groups"][0],
        )
        self.assertTrue(topic["environment_groups"][1]["mutually_exclusive"])
        self.assertEqual(found, json.loads(json.dumps(found)))

    def test_other_has_what_the_map_does_not_name(self):
        files = [
            *FILES[:7],
            "user-environment.yaml",
            "my-user-environment.yaml",
            "x/environments/y/deep.yaml",
            "environments/readme.md",
            "environments/x.j2.yaml",
            "services/a.yaml",
        ]
        chosen = ["registry.yaml", "services/chosen.yaml", env("a"), "user-environment.yaml"]
        other = capabilities.view(parse(self.MAP), chosen, files)["Other"]
        self.assertEqual(("Other", None), (other["title"], other["description"]))
        shown = {
            entry["title"]: entry["environments"][0]["enabled"]
            for entry in other["environment_groups"]
        }
        self.assertEqual(
            [
                ("my-user-environment.yaml", False),
                ("services/chosen.yaml", True),
                ("user-environment.yaml", True),
                ("x/environments/y/deep.yaml", False),
            ],
            list(shown.items()),
        )
        self.assertEqual(
            {
                "title": "services/chosen.yaml",
                "description": None,
                "mutually_exclusive": False,
                "one_of": False,
                "environments": [
                    {
                        "file": "services/chosen.yaml",
                        "title": "services/chosen.yaml",
                        "description": None,
                        "requires": [],
                        "enabled": True,
                    }
                ],
            },
            other["environment_groups"][1],
        )

    def test_plan_without_a_map_has_only_others(self):
        found = capabilities.view(None, [env("b")], FILES)
        self.assertEqual(["Other"], list(found))
        self.assertEqual(
            [env(x) for x in "abcdefgh"],
            [entry["title"] for entry in found["Other"]["environment_groups"]],
        )

    def test_root_environment_is_shown_only_where_the_map_has_it(self):
        root = "environments/root.yaml"
        files = [*FILES, root]
        bare = parse(document(group(item("a")), root_environment=root), files=files)
        self.assertNotIn(root, json.dumps(capabilities.view(bare, [root], files)))
        named = parse(document(group({"file": root}), root_environment=root), files=files)
        shown = capabilities.view(named, [root], files)
        self.assertTrue(shown["T"]["environment_groups"][0]["environments"][0]["enabled"])
        self.assertNotIn(root, json.dumps(shown["Other"]))

    def test_answer_shares_nothing_with_the_map(self):
        found = parse(self.MAP)
        kept = copy.deepcopy(found)
        first = capabilities.view(found, [], FILES)["T"]["environment_groups"][0]
        first["environments"][0]["requires"].append("x")
        first["environments"].clear()
        self.assertEqual(kept, found)


@ddt.ddt
class Check(base.TestCase):
    MAP = document(
        group(item("a"), item("b"), item("c"), title="Pick", mutually_exclusive=True),
        group(item("d"), item("e"), title="Net", one_of=True),
        group(item("f", "a", "g"), item("g")),
    )

    @ddt.data(
        ("Rd", []),
        ("Re", []),
        ("Rad", []),
        ("Rdafg", []),
        ("d", [("root_environment", "R")]),
        ("R", [("one_of", "de")]),
        ("Rde", [("one_of", "de")]),
        ("Rdca", [("mutually_exclusive", "ac")]),
        ("Rdf", [("requires", "fa"), ("requires", "fg")]),
        (
            "fde",
            [("root_environment", "R"), ("requires", "fa"), ("requires", "fg"), ("one_of", "de")],
        ),
    )
    @ddt.unpack
    def test_rules(self, chosen, broken):
        items = [{"path": "registry.yaml" if x == "R" else env(x)} for x in chosen]
        items.append({"data": {"path": env("b")}})
        faults = capabilities.check(parse(self.MAP), items)
        found = [(f["rule"], letters({"path": x} for x in f["files"])) for f in faults]
        self.assertEqual(broken, found)
        for fault in faults:
            self.assertEqual({"rule", "files", "message"}, set(fault))
            for path in fault["files"]:
                self.assertIn(path, fault["message"])

    def test_message_ends_with_what_would_satisfy_the_rule(self):
        faults = capabilities.check(parse(self.MAP), choice("fb"))
        self.assertEqual(
            f"{env('f')} requires {env('a')}, which is not enabled. Also enable {env('a')}, or "
            f"disable {env('f')}.",
            faults[0]["message"],
        )
        self.assertEqual(
            f"Exactly one of {env('d')}, {env('e')} must be enabled (group 'Net'), and none is. "
            "Enable one of them.",
            faults[2]["message"],
        )
        faults = capabilities.check(parse(self.MAP), choice("abd"))
        self.assertEqual(
            f"At most one of {env('a')}, {env('b')} can be enabled (group 'Pick'). Keep one of "
            "them and disable the others.",
            faults[0]["message"],
        )

    def test_plan_without_a_map_has_no_rules(self):
        self.assertEqual([], capabilities.check(None, choice("abc", root=False)))

    @ddt.data({}, "x", [1], ["x"], [{"path": None}], [{"path": ["x"]}], [{}, None], 5, True)
    def test_environments_of_the_wrong_form_are_a_typed_error(self, environments):
        good = parse(self.MAP)
        for call in (
            lambda: capabilities.check(good, environments),
            lambda: capabilities.choose(good, environments, {}, FILES),
            lambda: capabilities.paths(environments),
        ):
            error = self.assertRaises(exceptions.FileInvalid, call)
            self.assertIn("the plan's environment", error.message)

    def test_paths_are_those_of_the_files(self):
        self.assertEqual([], capabilities.paths(None))
        self.assertEqual(
            ["x", "y", "x"],
            capabilities.paths([{"path": "x"}, {"data": {}}, {"path": "y"}, {"path": "x"}]),
        )


@ddt.ddt
class Choose(base.TestCase):
    MAP = document(
        group({"file": "registry.yaml"}),
        group(item("a"), item("b"), title="Pick", mutually_exclusive=True),
        group(item("c", "a"), item("d", "c", "e"), item("e"), item("f")),
    )

    def choose(self, environments, wanted, map_=MAP, files=FILES, **options):
        kept = copy.deepcopy((environments, wanted))
        try:
            return capabilities.choose(
                parse(map_) if map_ else None, environments, wanted, files, **options
            )
        finally:
            self.assertEqual(kept, (environments, wanted))

    def conflict(self, *args, **options):
        error = self.assertRaises(
            exceptions.CapabilitiesConflict, lambda: self.choose(*args, **options)
        )
        return error.faults

    def test_enabled_ones_come_last_in_the_order_of_the_input_and_once(self):
        environments = [*choice("f"), {"data": {"parameter_defaults": {}}}]
        wanted = {env("e"): True, env("f"): True, env("a"): True, "registry.yaml": True}
        self.assertEqual("RfDea", letters(self.choose(environments, wanted)))

    def test_disabled_ones_go_and_all_else_stays_as_it_is(self):
        data = {"data": {"parameter_defaults": {"A": 1}}}
        environments = [*choice("fe"), data, {"path": env("f"), "note": "x"}, {"path": "odd"}]
        found = self.choose(environments, {env("e"): False})
        self.assertEqual([x for x in environments if x != {"path": env("e")}], found)
        self.assertEqual("ReD", letters(self.choose(environments[:4], {env("f"): False})))

    def test_nothing_wanted_changes_nothing(self):
        self.assertEqual(choice("fa"), self.choose(choice("fa"), {}))

    def test_same_request_twice_gives_the_same(self):
        wanted = {env("a"): True, env("c"): True, env("f"): False}
        once = self.choose(choice("f"), wanted)
        self.assertEqual(once, self.choose(once, wanted))

    def test_purge_takes_every_path_that_is_not_mentioned(self):
        environments = [*choice("efa"), {"data": {}}, *choice("b", root=False)]
        found = self.choose(environments, {env("b"): True}, purge_missing=True)
        self.assertEqual("RDb", letters(found))
        self.assertEqual("RD", letters(self.choose(environments, {}, purge_missing=True)))

    def test_purge_takes_what_is_no_file_any_more(self):
        environments = [*choice("a"), {"path": "gone.yaml"}]
        found = self.choose(environments, {env("a"): True}, purge_missing=True)
        self.assertEqual("Ra", letters(found))

    def test_root_environment_stays(self):
        faults = self.conflict(choice("a"), {"registry.yaml": False})
        self.assertEqual(["root_environment"], [fault["rule"] for fault in faults])
        self.assertIn("cannot be disabled", faults[0]["message"])

    def test_root_environment_that_was_lost_comes_back_in_front(self):
        found = self.choose(choice("a", root=False), {"registry.yaml": True})
        self.assertEqual("Ra", letters(found))

    def test_rules_hold_for_the_whole_choice_and_all_broken_ones_are_told(self):
        faults = self.conflict(choice("ab"), {env("d"): True})
        self.assertEqual(
            ["requires", "requires", "mutually_exclusive"], [fault["rule"] for fault in faults]
        )

    def test_nothing_is_enabled_that_was_not_asked_for(self):
        faults = self.conflict(choice(""), {env("c"): True})
        self.assertEqual([[env("c"), env("a")]], [fault["files"] for fault in faults])
        self.assertIn("which is not enabled. Also enable", faults[0]["message"])

    @ddt.data(
        ("Rac", {env("a"): False}, {}),
        ("R", {env("a"): False, env("c"): True}, {}),
        ("Rac", {env("c"): True}, {"purge_missing": True}),
    )
    @ddt.unpack
    def test_message_says_that_the_request_itself_disables_what_is_required(
        self, before, wanted, options
    ):
        faults = self.conflict(choice(before[1:]), wanted, **options)
        self.assertEqual(
            [
                f"{env('c')} requires {env('a')}, which this request disables. Keep {env('a')} "
                f"enabled, or also disable {env('c')}."
            ],
            [fault["message"] for fault in faults],
        )

    def test_one_of_a_group_can_be_exchanged_for_another_in_one_request(self):
        found = self.choose(choice("a"), {env("b"): True, env("a"): False})
        self.assertEqual("Rb", letters(found))

    def test_unknown_files_are_all_named_before_rules_are_looked_at(self):
        wanted = {
            env("x"): True,
            env("y"): False,
            "environments/source.j2.yaml": True,
            "environments": True,
            "../../etc/passwd": True,
            "registry.yaml": False,
        }
        error = self.assertRaises(exceptions.EnvironmentNotFound, self.choose, choice("a"), wanted)
        self.assertEqual(sorted(set(wanted) - {"registry.yaml"}), error.paths)
        self.assertEqual(["registry.yaml"], [x for x in error.available if "/" not in x])
        self.assertIn(env("h"), error.available)
        self.assertNotIn("environments/source.j2.yaml", error.available)

    def test_environment_whose_file_is_gone_can_be_disabled_and_not_enabled(self):
        gone = {"path": "gone.yaml"}
        self.assertEqual("R", letters(self.choose([*choice(""), gone], {"gone.yaml": False})))
        for environments in (choice(""), [*choice(""), gone]):
            error = self.assertRaises(
                exceptions.EnvironmentNotFound, self.choose, environments, {"gone.yaml": True}
            )
            self.assertNotIn("gone.yaml", error.available)

    def test_file_that_the_map_does_not_name_can_be_chosen(self):
        self.assertEqual("Rh", letters(self.choose(choice(""), {env("h"): True})))
        self.assertEqual("ab", letters(self.choose(None, {env("a"): True, env("b"): True}, None)))

    @ddt.data(
        None,
        [],
        "x",
        5,
        [env("a")],
        {env("a"): "true"},
        {env("a"): 1},
        {env("a"): None},
        {1: True},
        {None: False},
        {("a",): True},
    )
    def test_wanted_of_the_wrong_form_is_refused(self, wanted):
        error = self.assertRaises(exceptions.InputInvalid, self.choose, choice(""), wanted)
        self.assertEqual("environments", error.name)
        self.assertIn("true or false", error.message)

    @ddt.data("purge_missing", "sort_environments")
    def test_flag_of_the_wrong_form_is_refused(self, name):
        # "false" would be taken for true.
        error = self.assertRaises(
            exceptions.InputInvalid, lambda: self.choose(choice(""), {}, **{name: "false"})
        )
        self.assertEqual(name, error.name)

    @ddt.data(
        ("Race", "Race"),
        ("Rdeca", "Reacd"),
        ("cafR", "Racf"),
        ("RcDafD", "RDacfD"),
        ("Rhgfca", "Rhgfac"),
        # Listed twice, the last one is that which counts.
        ("Racac", "Raacc"),
    )
    @ddt.unpack
    def test_sorting_moves_an_environment_behind_what_it_requires(self, before, after):
        items = [
            {"data": {}} if x == "D" else choice("")[0] if x == "R" else choice(x, False)[0]
            for x in before
        ]
        found = self.choose(items, {}, sort_environments=True)
        self.assertEqual(after, letters(found))
        self.assertEqual(found, self.choose(found, {}, sort_environments=True))
        self.assertEqual(before, letters(self.choose(items, {})))

    def test_sorting_keeps_all_and_puts_each_behind_what_it_requires(self):
        rng = random.Random(4)
        for _ in range(100):
            order = rng.sample("abcdefgh", 8)
            requires = {
                x: [y for y in order[:n] if rng.random() < 0.3] for n, x in enumerate(order)
            }
            map_ = document(group(*(item(x, *requires[x]) for x in sorted(order))))
            before = [*choice(rng.sample(order, 8)), {"data": {}}]
            after = self.choose(before, {}, map_, sort_environments=True)
            self.assertCountEqual(before, after)
            text = letters(after)
            self.assertEqual("R", text[0])
            for x, needed in requires.items():
                for y in needed:
                    self.assertLess(text.index(y), text.index(x))

    def test_sorting_holds_with_a_root_that_requires_something(self):
        map_ = document(group({"file": "registry.yaml", "requires": [env("a")]}, item("a")))
        found = self.choose(choice("a"), {}, map_, sort_environments=True)
        self.assertEqual("Ra", letters(found))

    def test_sorting_without_a_root_leaves_data_where_it_is(self):
        map_ = parse(
            document(group(item("a", "b"), item("b")), root_environment=None), roots_required=False
        )
        before = [*choice("ac", root=False), {"data": {}}, *choice("b", root=False)]
        found = capabilities.choose(map_, before, {}, FILES, sort_environments=True)
        self.assertEqual("cDba", letters(found))
