import itertools
import json
import random

import ddt

from tests.unit import base
from tripleo_common import exceptions
from tripleo_common.baremetal import matching

PROFILES = ("control", "compute", "ceph")


def node(name, capabilities="", **keys):
    """Return a node as Ironic lists it."""
    return {
        "uuid": f"uuid-{name}",
        "name": name,
        "provision_state": "available",
        "maintenance": False,
        "instance_uuid": None,
        "properties": {"capabilities": capabilities, "cpus": 8},
        "resource_class": "baremetal",
        "last_error": None,
        **keys,
    }


def demand(count, profile, role=None):
    return matching.Demand(role or profile.title(), count, profile)


def placed(result):
    """Return the names of the nodes of each role, in the order of the roles."""
    return [[one["name"] for one in role["matched"]] for role in result.roles]


def reason(wanted, *nodes):
    return matching.match([wanted], nodes).roles[0]["reason"]


@ddt.ddt
class Match(base.TestCase):
    def test_everything_that_is_told(self):
        result = matching.match(
            [demand(1, "control", "Controller"), demand(2, "compute"), demand(0, "ceph")],
            [
                node("d"),
                node("c", "boot_mode:uefi,compute_profile:true"),
                node("b"),
                node("a", "profile:control,boot_option:local"),
            ],
        )
        self.assertEqual(
            {
                "roles": [
                    {
                        "role": "Controller",
                        "profile": "control",
                        "wanted": 1,
                        "matched": [{"uuid": "uuid-a", "name": "a", "tagged": True}],
                        "missing": 0,
                        "reason": None,
                    },
                    {
                        "role": "Compute",
                        "profile": "compute",
                        "wanted": 2,
                        "matched": [
                            {"uuid": "uuid-c", "name": "c", "tagged": False},
                            {"uuid": "uuid-b", "name": "b", "tagged": False},
                        ],
                        "missing": 0,
                        "reason": None,
                    },
                    {
                        "role": "Ceph",
                        "profile": "ceph",
                        "wanted": 0,
                        "matched": [],
                        "missing": 0,
                        "reason": None,
                    },
                ],
                "unused": [{"uuid": "uuid-d", "name": "d"}],
                "assign": {"uuid-c": "compute", "uuid-b": "compute"},
            },
            result.to_dict(),
        )
        self.assertEqual(result.to_dict(), json.loads(json.dumps(result.to_dict())))

    def test_nothing_is_wanted(self):
        self.assertEqual(
            {"roles": [], "unused": [{"uuid": "uuid-a", "name": "a"}], "assign": {}},
            matching.match([], [node("a"), node("b", maintenance=True)]).to_dict(),
        )

    @ddt.data(
        # Nodes with a profile are taken first, then those that are offered for it, then any.
        ("control=1", "a b:control_profile:true c:profile:control", [["c"]]),
        ("control=2", "a b:control_profile:1 c:profile:control", [["c", "b"]]),
        ("control=3", "a b:control_profile:TRUE c:profile:control", [["c", "b", "a"]]),
        # By name among equals.
        ("control=1", "b a c", [["a"]]),
        # A profile counts more than offers.
        ("control=1 ceph=1", "a:profile:ceph,control_profile:true", [[], ["a"]]),
        # A node that two roles can have goes where it is needed.
        (
            "control=1 compute=1",
            "a:control_profile:1,compute_profile:1 b:control_profile:1",
            [["b"], ["a"]],
        ),
        (
            "control=1 compute=1 ceph=1",
            "a:control_profile:1,compute_profile:1 b:compute_profile:1,ceph_profile:1 "
            "c:control_profile:1",
            [["c"], ["a"], ["b"]],
        ),
        # The way out is by the first of two roles that are full.
        (
            "control=1 compute=1 ceph=1",
            "a:control_profile:1,ceph_profile:1 b:compute_profile:1 "
            "c:control_profile:1,compute_profile:1",
            [["c"], ["b"], ["a"]],
        ),
        # Roles are filled in their order.
        ("control=1 compute=2", "a b", [["a"], ["b"]]),
        # Two roles may have a profile in common.
        ("control=1 control=1", "a:profile:control b", [["a"], ["b"]]),
        ("control=1", "a:compute_profile:true", [[]]),
        ("control=1", "a:control_profile:false", [[]]),
        ("control=1", "a:profile:controls", [[]]),
        ("control=1", "a:profile:", [["a"]]),
        ("control=1", "a:profile", [["a"]]),
    )
    @ddt.unpack
    def test_which_nodes_are_taken(self, wanted, nodes, expected):
        demands = []
        for number, one in enumerate(wanted.split()):
            profile, _, count = one.partition("=")
            demands.append(demand(int(count), profile, f"Role{number}"))
        given = [node(*one.split(":", 1)) for one in nodes.split()]
        self.assertEqual(expected, placed(matching.match(demands, given)))

    @ddt.data(
        {"instance_uuid": "i-1"},
        {"maintenance": True},
        {"provision_state": "manageable"},
        {"provision_state": "active"},
        {"provision_state": None},
    )
    def test_node_that_serves_nothing(self, keys):
        result = matching.match([demand(1, "control")], [node("a", "profile:control", **keys)])
        self.assertEqual(([[]], [], {}), (placed(result), result.unused, result.assign))

    @ddt.data(
        None,
        5,
        "",
        "text",
        [],
        {},
        {"capabilities": None},
        {"capabilities": 5},
        {"capabilities": [["profile"]]},
        {"capabilities": ",,:,:x,"},
    )
    def test_node_that_says_nothing_of_use_serves_all(self, properties):
        result = matching.match([demand(1, "control")], [node("a", properties=properties)])
        self.assertEqual({"uuid-a": "control"}, result.assign)

    def test_a_role_without_a_profile_takes_any_node_and_tags_none(self):
        nodes = [node("a", "profile:compute"), node("b")]
        demands = [matching.Demand("Any", 3, None)]
        result = matching.match(demands, nodes)
        self.assertEqual({"a", "b"}, set(placed(result)[0]))
        self.assertEqual({}, result.assign)
        self.assertIn("of any profile", result.roles[0]["reason"])

    def test_names_go_before_uuids(self):
        nodes = [node("b", uuid="1"), node("a", uuid="2"), node(None, uuid="3")]
        result = matching.match([demand(2, "control")], nodes)
        self.assertEqual([[None, "a"]], placed(result))

    def test_node_without_a_name(self):
        result = matching.match([demand(1, "control")], [node(None), node("a"), node("")])
        (matched,) = result.roles[0]["matched"]
        self.assertEqual({"uuid": "uuid-", "name": None, "tagged": False}, matched)

    def test_node_of_which_nothing_is_known(self):
        result = matching.match([demand(1, "control")], [{}])
        self.assertIn("1 in state None", result.roles[0]["reason"])

    @ddt.data(None, -1, 1.5, "3", True, [])
    def test_count_that_is_none(self, count):
        error = self.assertRaises(
            exceptions.InputInvalid, matching.Demand, "Compute", count, "compute"
        )
        self.assertIn("'ComputeCount'", error.message)


@ddt.ddt
class Reason(base.TestCase):
    def test_what_was_wanted_and_what_there_is(self):
        self.assertEqual(
            "wanted 3 nodes of profile control; 10 nodes exist: 1 matches, 2 in maintenance, "
            "2 of profile compute, 1 in state clean failed, 1 in use, "
            "1 manageable, which could be provided (tripleo.baremetal.v1.provide), "
            "1 offered for ceph, compute, 1 offered for no profile",
            reason(
                demand(3, "control"),
                node("a", "profile:control"),
                node("b", "profile:control", maintenance=True),
                node("c", maintenance=True, provision_state="manageable"),
                node("d", "profile:compute", provision_state="manageable"),
                node("e", "profile:compute,control_profile:true"),
                node("f", "profile:control", instance_uuid="i", maintenance=True),
                node("g", "profile:control", provision_state="manageable"),
                node("h", provision_state="clean failed", last_error="it burns"),
                node("i", "compute_profile:true,ceph_profile:1,control_profile:no"),
                node("j", "control_profile:false"),
            ),
        )

    def test_one_node_and_none(self):
        self.assertEqual(
            "wanted 1 node of profile ceph; there are no nodes", reason(demand(1, "ceph"))
        )
        self.assertEqual(
            "wanted 1 node of profile ceph; 1 node exists: none matches, 1 in use",
            reason(demand(1, "ceph"), node("a", instance_uuid="i")),
        )

    def test_two_nodes_match(self):
        self.assertEqual(
            "wanted 3 nodes of profile ceph; 2 nodes exist: 2 match",
            reason(demand(3, "ceph"), node("a"), node("b", "profile:ceph")),
        )

    def test_nodes_that_other_roles_have(self):
        result = matching.match(
            [demand(1, "control"), demand(4, "compute"), demand(2, "ceph")],
            [node("a"), node("b"), node("c"), node("d", "profile:compute")],
        )
        self.assertEqual([1, 3, 0], [len(names) for names in placed(result)])
        self.assertEqual(
            "wanted 4 nodes of profile compute; 4 nodes exist: 3 match, 1 taken by role Control",
            result.roles[1]["reason"],
        )
        self.assertEqual(
            "wanted 2 nodes of profile ceph; 4 nodes exist: none matches, "
            "2 taken by role Compute, 1 of profile compute, 1 taken by role Control",
            result.roles[2]["reason"],
        )

    def test_it_does_not_grow_without_end(self):
        many = [node(f"n{i:02}", f"profile:{'p' * 500}{i}") for i in range(30)]
        many += [node(f"m{i:02}", f"profile:p{i}") for i in range(20)]
        text = reason(demand(1, "control"), *many)
        # Profiles that are alike as far as they are shown count as one.
        self.assertIn("none matches, 30 of profile ppp", text)
        self.assertTrue(text.endswith(", 11 otherwise unfit"), text)
        self.assertLess(len(text), 500)


class Properties(base.TestCase):
    """What holds of every result, on random nodes and roles."""

    def some_nodes(self, chosen, count):
        """Return nodes, and by UUID their kind and the profiles that they can serve."""
        nodes, truth = [], {}
        names = chosen.sample(range(100), count)
        for number in names:
            kind = chosen.choice(("tagged", "offered", "offered", "any", "out"))
            serves = set(PROFILES)
            capabilities = ["boot_mode:uefi"]
            if kind == "tagged":
                serves = {chosen.choice(PROFILES)}
                capabilities.append(f"profile:{min(serves)}")
            if kind == "offered" or chosen.random() < 0.1:
                offers = {p for p in PROFILES if chosen.random() < 0.5}
                capabilities.append("other_profile:true")
                capabilities += [f"{p}_profile:{str(p in offers).lower()}" for p in PROFILES]
                if kind in ("offered", "any"):
                    kind, serves = "offered", offers
            chosen.shuffle(capabilities)
            keys = {"maintenance": True} if kind == "out" else {}
            nodes.append(node(f"n{number:02}", ",".join(capabilities), **keys))
            truth[nodes[-1]["uuid"]] = (kind, set() if kind == "out" else serves)
        return nodes, truth

    def some_demands(self, chosen, most):
        return [
            matching.Demand(f"Role{i}", chosen.randrange(most), chosen.choice((*PROFILES, None)))
            for i in range(chosen.randrange(1, 4))
        ]

    def check(self, demands, nodes, truth, result):
        """Hold a result to what is promised of it; return how many of each kind matched."""
        seen, kinds, assigned = [], {"tagged": 0, "offered": 0, "any": 0}, 0
        for wanted, role in zip(demands, result.roles, strict=True):
            self.assertEqual(
                (wanted.role, wanted.profile, wanted.count),
                (role["role"], role["profile"], role["wanted"]),
            )
            self.assertEqual(role["wanted"], role["missing"] + len(role["matched"]))
            self.assertEqual(bool(role["missing"]), role["reason"] is not None)
            for one in role["matched"]:
                kind, serves = truth[one["uuid"]]
                self.assertNotEqual("out", kind)
                self.assertIn(wanted.profile, {*serves, None})
                self.assertEqual(kind == "tagged", one["tagged"])
                tag = None if one["tagged"] else wanted.profile
                self.assertEqual(tag, result.assign.get(one["uuid"]))
                assigned += tag is not None
                kinds[kind] += 1
                seen.append(one["uuid"])
        self.assertEqual(assigned, len(result.assign))
        seen += [one["uuid"] for one in result.unused]
        self.assertEqual(sorted(u for u, (kind, _) in truth.items() if kind != "out"), sorted(seen))
        return tuple(kinds.values())

    def best(self, demands, truth):
        """Try every way; return the most that can match, and of each kind what then matches.

        Of the ways with as many tagged nodes as can be those with as many offered ones, and so on.
        """
        most, kinds = 0, (0, 0, 0)
        free = [value for value in truth.values() if value[0] != "out"]
        order = ("tagged", "offered", "any")
        options = [
            [None, *(i for i, d in enumerate(demands) if d.profile in {*serves, None})]
            for _, serves in free
        ]
        for way in itertools.product(*options):
            if any(way.count(i) > d.count for i, d in enumerate(demands)):
                continue
            matched = [kind for (kind, _), role in zip(free, way, strict=True) if role is not None]
            most = max(most, len(matched))
            kinds = max(kinds, tuple(matched.count(kind) for kind in order))
        return most, kinds

    def test_no_way_is_better(self):
        chosen = random.Random(11)
        short = 0
        for _ in range(250):
            nodes, truth = self.some_nodes(chosen, chosen.randrange(7))
            demands = self.some_demands(chosen, 4)
            result = matching.match(demands, nodes)
            kinds = self.check(demands, nodes, truth, result)
            self.assertEqual(self.best(demands, truth), (sum(kinds), kinds))
            short += any(role["missing"] for role in result.roles)
        self.assertGreater(short, 50)
        self.assertLess(short, 200)

    def test_order_of_nodes_does_not_matter(self):
        chosen = random.Random(12)
        for _ in range(50):
            nodes, truth = self.some_nodes(chosen, 40)
            demands = self.some_demands(chosen, 30)
            result = matching.match(demands, nodes)
            self.check(demands, nodes, truth, result)
            chosen.shuffle(nodes)
            self.assertEqual(result, matching.match(demands, iter(nodes)))

    def test_what_is_tagged_then_matches_in_the_same_way(self):
        chosen = random.Random(13)
        for _ in range(50):
            nodes, _ = self.some_nodes(chosen, 20)
            demands = [demand(chosen.randrange(8), profile) for profile in PROFILES]
            first = matching.match(demands, nodes)
            for one in nodes:
                if one["uuid"] in first.assign:
                    text = one["properties"]["capabilities"]
                    one["properties"]["capabilities"] = (
                        f"{text},profile:{first.assign[one['uuid']]}"
                    )
            again = matching.match(demands, nodes)
            self.assertEqual(
                *([sorted(names) for names in placed(result)] for result in (first, again))
            )
            self.assertEqual((first.unused, {}), (again.unused, again.assign))

    def test_chain_as_long_as_there_are_roles(self):
        """The last node finds a place if every other one moves to the next role."""
        count = 1500
        demands = [demand(1, f"p{i:04}") for i in range(count)]
        nodes = [
            node(f"n{i:04}", f"p{i:04}_profile:1,p{i + 1:04}_profile:1") for i in range(count - 1)
        ]
        nodes.append(node("z", "p0000_profile:1"))
        result = matching.match(demands, nodes)
        self.assertEqual([["z"], *([f"n{i:04}"] for i in range(count - 1))], placed(result))
