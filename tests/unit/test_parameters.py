import itertools
import json

import ddt
from heat.engine import parameters as heat_parameters
from heat.engine.hot import parameters as heat_hot

from tests.unit import base
from tripleo_common import exceptions
from tripleo_common.plan import parameters
from tripleo_common.plan.secrets import MASK


def declared(*schemas, name="P"):
    """Return declarations of one parameter, one schema a template."""
    found = []
    for number, schema in enumerate(schemas):
        found += parameters.declarations({"parameters": {name: schema}}, f"t{number}.yaml")
    return {name: found}


def check(value, *schemas):
    return parameters.check({"P": value}, declared(*schemas))


@ddt.ddt
class Declarations(base.TestCase):
    def test_all_that_a_template_says(self):
        rules = [{"range": {"min": 1}, "description": "d"}]
        schema = {"type": "number", "default": 3, "hidden": True, "label": "L"}
        schema |= {"description": "D", "constraints": rules, "tags": ["x"]}
        (found,) = parameters.declarations({"parameters": {"P": schema}}, "a.yaml")
        self.assertEqual(
            parameters.Declaration("P", "number", "a.yaml", 3, True, rules, "D", "L"), found
        )

    @ddt.data({}, {"parameters": None}, {"parameters": {}}, {"parameters": {1: {}}})
    def test_nothing_declared(self, document):
        self.assertEqual([], parameters.declarations(document, "a.yaml"))

    @ddt.data([], "x", {"parameters": []}, {"parameters": "x"}, {"parameters": 5})
    def test_no_mapping(self, document):
        error = self.assertRaises(
            exceptions.YAMLInvalid, parameters.declarations, document, "d/a.yaml"
        )
        self.assertIn("d/a.yaml", error.message)

    @ddt.data(
        None,
        5,
        [],
        {},
        {"type": 5},
        {"type": "nonsense"},
        {"type": ["string"], "label": 5, "description": {}},
        {"type": "string", "constraints": {"range": 1}},
        {"type": "string", "constraints": [5, None, [], {}, {"x": 1}, {5: 6}]},
        {"type": "string", "constraints": [{"length": 5}, {"length": {"min": "x", "max": []}}]},
        {"type": "string", "constraints": [{"allowed_pattern": "("}, {"allowed_pattern": 5}]},
        {"type": "string", "constraints": [{"allowed_pattern": b"x"}, {"allowed_pattern": [1]}]},
        {"type": "number", "constraints": [{"modulo": {"step": 0, "offset": 0}}, {"modulo": []}]},
        {"type": "number", "constraints": [{"modulo": {"step": 0.5, "offset": 0}}]},
        {"type": "number", "constraints": [{"length": {"min": 9}}, {"allowed_pattern": "x"}]},
    )
    def test_malformed_declaration_is_left_to_heat(self, schema):
        self.assertEqual([], check("5", schema))

    def test_hidden_in_any_template(self):
        found = declared({"type": "string"}, {"type": "string", "hidden": True})
        self.assertEqual({"P"}, parameters.hidden(found | declared({}, name="Q")))


TYPES = ("string", "number", "boolean", "comma_delimited_list", "json")
RULES = (
    {"length": {"min": 2}},
    {"length": {"max": "3"}},
    {"length": {"min": 1, "max": 2}},
    {"range": {"min": 1, "max": 5}},
    {"range": {"min": "1.5"}},
    {"range": {"max": -1}},
    {"modulo": {"step": 3, "offset": 1}},
    {"modulo": {"step": -2.0, "offset": "0"}},
    # What is of the type in part is not here: then Heat refuses each value.
    {"allowed_values": ["a", "ab"]},
    {"allowed_values": ["5", 4.0, "-3"]},
    {"allowed_values": ["1", 0]},
    {"allowed_values": [1, True]},
    {"allowed_values": ["no", "TRUE"]},
    {"allowed_values": []},
    {"allowed_pattern": "a|ab"},
    {"allowed_pattern": "[0-9a-z ,]*"},
    {"allowed_pattern": "^ab$"},
    {"allowed_pattern": ""},
)
VALUES = (
    *("", "a", "ab", "ab\n", "abc", "a,b", "1", "5", " 5 ", "5.0", "1_0", "1e3", "4", "-4", "-3"),
    *("true", "Yes", " OFF ", "t", "1.0", "2", "0", "None", "[]", "{}", '{"a": 1}', "[1, 2, 3]"),
    *("{", "é", "10" * 40),
    *(0, 1, 4, 5, -4, 1.5, 5.0, 1.0, 10**30, True, False, None),
    *([], ["a"], ["a", "b"], [1], [5, True], ["1", "5"], {}, {"a": 1}, {"a": [1], "b": None}),
)


class AsHeat(base.TestCase):
    """The same values, given to Heat's own classes."""

    def refused_by_heat(self, value, schema):
        try:
            read = heat_hot.HOTParamSchema20170224.from_dict("P", schema)
            heat_parameters.Parameter("P", read, value).validate(context=None)
        except Exception:
            # Its own errors, and the TypeErrors that a number for text gives.
            return True
        return False

    def allowed_for(self, kind, rule):
        schema = {"type": kind, "constraints": [rule]}
        read = heat_hot.HOTParamSchema20170224.from_dict("P", schema)
        try:
            read.validate()
        except Exception:
            return False
        return True

    def is_stricter(self, kind, value):
        if kind == "string":
            return isinstance(value, list | dict)
        return kind == "json" and (
            isinstance(value, int | float)
            or value in ("1", "5", " 5 ", "5.0", "1.0", "1e3", "2", "0", "4", "-4", "-3", "true")
            or value == "10" * 40
        )

    def test_same_verdict(self):
        compared = 0
        for kind, rule in itertools.product(TYPES, (None, *RULES)):
            if rule and not self.allowed_for(kind, rule):
                # Heat refuses the template; what values it allows is not ours to say.
                for value in ("", "x", 0, [], {}):
                    self.assertEqual(
                        check(value, {"type": kind}),
                        check(value, {"type": kind, "constraints": [rule]}),
                    )
                continue
            schema = {"type": kind, "constraints": [rule] if rule else []}
            for value in VALUES:
                # Without a value at all, Heat misses a parameter that has no default.
                if value is None or self.is_stricter(kind, value):
                    continue
                ours, theirs = bool(check(value, schema)), self.refused_by_heat(value, schema)
                if ours != theirs:
                    self.fail(f"{schema} {value!r}: refused here {ours}, by Heat {theirs}")
                compared += 1
        self.assertTrue(compared > 1000, compared)

    def test_stricter_only_where_it_is_said(self):
        for kind, value in (("string", [1]), ("string", {"a": 1}), ("json", 5), ("json", "true")):
            self.assertFalse(self.refused_by_heat(value, {"type": kind}))
            self.assertEqual(1, len(check(value, {"type": kind})))
        for value in ("nan", "inf", "-Infinity", "9" * 5000):
            self.assertFalse(self.refused_by_heat(value, {"type": "number"}))
            self.assertEqual(1, len(check(value, {"type": "number"})))
        for value in ([None], [["a"]], [{}]):
            self.assertFalse(self.refused_by_heat(value, {"type": "comma_delimited_list"}))
            self.assertEqual(1, len(check(value, {"type": "comma_delimited_list"})))

    def test_null_is_no_value(self):
        schema = heat_hot.HOTParamSchema.from_dict("P", {"type": "number", "default": 3})
        parameter = heat_parameters.Parameter("P", schema, None)
        parameter.set_default(None)
        parameter.validate()
        self.assertEqual(3, parameter.value())
        rule = {"range": {"min": 5}}
        self.assertEqual([], check(None, {"type": "number", "constraints": [rule]}))

    def test_custom_constraint_is_left_to_heat(self):
        rule = {"custom_constraint": "nova.flavor"}
        self.assertEqual([], check("none such", {"type": "string", "constraints": [rule]}))


@ddt.ddt
class Faults(base.TestCase):
    @ddt.data(
        ("number", {"range": {"min": 1, "max": 5}}, 9, "must be 1 to 5", None),
        ("number", {"range": {"min": 1}}, 0, "must be at least 1", None),
        ("number", {"range": {"max": 1}}, 2, "must be at most 1", None),
        ("string", {"length": {"max": 1}}, "ab", "must have a length of at most 1", None),
        (
            "number",
            {"modulo": {"step": 2, "offset": 1}},
            4,
            "must be a multiple of 2 plus 1",
            None,
        ),
        ("string", {"allowed_pattern": "a+"}, "b", "must match the pattern a+", None),
        ("string", {"allowed_values": ["a", 5]}, "b", "must be one of a, 5", ["a", 5]),
        ("string", {"allowed_values": []}, "b", "must be one of none", []),
        (
            "comma_delimited_list",
            {"allowed_values": ["a"]},
            "a,b",
            "each item must be one of a",
            ["a"],
        ),
    )
    @ddt.unpack
    def test_constraint(self, kind, rule, value, problem, allowed):
        wanted = {
            "name": "P",
            "value": value,
            "problem": f"{problem} (t0.yaml)",
            "allowed": rule if allowed is None else allowed,
        }
        self.assertEqual([wanted], check(value, {"type": kind, "constraints": [rule]}))

    @ddt.data(
        ("string", {}, "must be text, not a mapping"),
        ("number", "x", "must be a number"),
        ("number", [], "must be a number, not a list"),
        ("boolean", "maybe", "must be true or false"),
        ("boolean", 2, "must be true or false"),
        ("comma_delimited_list", 5, "must be a list, or text with commas"),
        ("comma_delimited_list", ["a", None], "holds null"),
        ("json", "{", "line 1, column 2"),
        ("json", "null", "must be a mapping or a list"),
        ("json", "[" * 100_000, "must be a mapping or a list"),
    )
    @ddt.unpack
    def test_type(self, kind, value, problem):
        (fault,) = check(value, {"type": kind})
        self.assertIn(problem, fault["problem"])
        self.assertEqual(kind, fault["allowed"])

    def test_all_faults_of_all_declarations_each_once(self):
        low = {"range": {"min": 5}, "description": "At least five servers."}
        faults = check(
            "4",
            {"type": "number", "constraints": [low, {"modulo": {"step": 3, "offset": 0}}]},
            {"type": "number", "constraints": [low]},
            {"type": "string", "constraints": [{"allowed_values": ["x"]}]},
            {"type": "number", "constraints": [low, low]},
        )
        self.assertEqual(
            [
                "must be at least 5: At least five servers (t0.yaml and 2 more)",
                "must be a multiple of 3 (t0.yaml)",
                "must be one of x (t2.yaml)",
            ],
            [fault["problem"] for fault in faults],
        )

    def test_all_parameters_in_one_answer(self):
        found = declared({"type": "number"}) | declared({"type": "boolean"}, name="Q")
        faults = parameters.check({"P": "x", "R": 1, "Q": "x"}, found)
        self.assertEqual(["P", "R", "Q"], [fault["name"] for fault in faults])

    def test_number_where_text_is_measured(self):
        rules = [{"length": {"min": 1}}, {"allowed_pattern": "5"}]
        (fault,) = check(5, {"type": "string", "constraints": rules})
        self.assertIn("put it in quotes", fault["problem"])

    def test_unknown_name_with_similar_ones(self):
        found = declared({}, name="ControllerCount") | declared({}, name="Debug")
        (fault,) = parameters.check({"ControlerCount": "s3cret"}, found)
        self.assertEqual(["ControllerCount"], fault["allowed"])
        self.assertIn("similar ones: ControllerCount", fault["problem"])
        # It may be the misspelled name of a password.
        self.assertEqual(MASK, fault["value"])

    def test_unknown_name_without_similar_ones(self):
        (fault,) = parameters.check({"Xyz": 1}, declared({}), {"Xyz": []})
        self.assertEqual([], fault["allowed"])
        self.assertNotIn("similar", fault["problem"])

    def test_name_that_only_unused_templates_declare(self):
        (fault,) = parameters.check({"Q": 1}, declared({}), {"Q": ["b.yaml", "a.yaml"]})
        self.assertIn("a.yaml, b.yaml; choose an environment", fault["problem"])

    def test_error_takes_the_faults(self):
        error = exceptions.ParametersInvalid(check("x", {"type": "number"}))
        self.assertIn("P: must be a number (t0.yaml).", error.message)


@ddt.ddt
class Secrets(base.TestCase):
    def test_hidden_value_is_masked(self):
        found = declared({"type": "number"}, {"type": "boolean", "hidden": True})
        for value in ("canary-1", "canary-1" * 100, {"a": "canary-1"}, ["canary-1"], {"canary-1"}):
            faults = parameters.check({"P": value}, found)
            self.assertTrue(faults)
            self.assertNotIn("canary", json.dumps(faults))
            self.assertEqual({MASK}, {fault["value"] for fault in faults})

    @ddt.data(
        {"a": [{"Password": "canary-1"}]},
        '{"a": [{"Password": "canary-1"}]}',
        '{"a": [{"Password": "canary-1"',
    )
    def test_hidden_entry_in_another_value_is_masked(self, value):
        found = declared({"type": "number"})
        found |= declared({"type": "string", "hidden": True}, name="Password")
        faults = parameters.check({"P": value}, found)
        self.assertEqual(1, len(faults))
        self.assertNotIn("canary", json.dumps(faults))

    def test_mask_is_no_value_of_a_hidden_parameter(self):
        (fault,) = check(MASK, {"type": "string", "hidden": True})
        self.assertIn("leave it out", fault["problem"])
        self.assertEqual([], check(MASK, {"type": "string"}))

    def test_long_value_is_shortened(self):
        (fault,) = check("x" * 1000, {"type": "number"})
        self.assertEqual("x" * 197 + "...", fault["value"])
        (fault,) = check(["x" * 1000], {"type": "number"})
        self.assertEqual(200, len(fault["value"]))
        self.assertEqual(["x"], check(["x"], {"type": "number"})[0]["value"])


def nested(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


CIRCLE = []
CIRCLE.append(CIRCLE)
NO_DATA = (
    *(b"x", {1, 2}, object(), float("nan"), float("inf"), 1j, "\ud800", {"\ud800": 1}),
    *(10**5000, CIRCLE, nested(101), nested(100_000), {(1, 2): 3}, [b"x"], len),
)


@ddt.ddt
class Hostile(base.TestCase):
    def test_value_that_is_no_data(self):
        for value, kind in itertools.product(NO_DATA, (*TYPES, "nonsense")):
            (fault,) = check(value, {"type": kind, "constraints": [{"length": {"max": 0}}]})
            self.assertIn("plain data", fault["problem"])
            json.dumps(fault, allow_nan=False, ensure_ascii=False).encode()

    def test_name_that_is_none(self):
        for name in (5, None, (1, 2), b"x", "\ud800", True, 10**5000):
            (fault,) = parameters.check({name: 1}, declared({}))
            self.assertIn("names are text", fault["problem"])
            json.dumps(fault, ensure_ascii=False).encode()

    @ddt.data(None, [], "x", 5, [("a", 1)])
    def test_values_that_are_no_mapping(self, values):
        self.assertRaises(exceptions.InputInvalid, parameters.check, values, {})

    def test_long_name_is_shortened(self):
        (fault,) = parameters.check({"P" * 10**6: 1}, declared({}))
        self.assertEqual(200, len(fault["name"]))

    def test_similar_names_are_looked_up_for_some_only(self):
        found = declared({}, name="Parameter")
        faults = parameters.check({f"Parameter{number}": 1 for number in range(1000)}, found)
        self.assertEqual([["Parameter"]] * 20, [fault["allowed"] for fault in faults[:20]])
        self.assertEqual([[]] * 980, [fault["allowed"] for fault in faults[20:]])

    def test_template_shapes_do_not_get_into_an_answer(self):
        rules = [
            {"allowed_values": [b"x"]},
            {"allowed_values": {1}},
            {"length": {"max": 0, 5: len}},
        ]
        rules += [{"length": {"min": 16**5000}}, {"allowed_values": [nested(1000)]}]
        self.assertEqual([], check("y", {"type": "string", "constraints": rules}))
        rules = [{"allowed_values": [[], {"a": 1}, *(f"v{number}" for number in range(1000))]}]
        (fault,) = check("y", {"type": "string", "constraints": rules})
        self.assertTrue(fault["problem"].endswith("v17 and 982 more (t0.yaml)"))
        json.dumps(fault)

    def test_pattern_is_not_tried_on_a_long_value(self):
        schema = {"type": "string", "constraints": [{"allowed_pattern": "a"}]}
        self.assertEqual(1, len(check("b" * 2**16, schema)))
        self.assertEqual([], check("b" * (2**16 + 1), schema))

    def test_numbers_that_floats_cannot_hold(self):
        rules = [{"range": {"max": 0.5}}, {"modulo": {"step": 2.0, "offset": 1}}]
        self.assertEqual(2, len(check(10**400, {"type": "number", "constraints": rules})))
        rules = [{"modulo": {"step": 10**400, "offset": 1}}]
        self.assertEqual([], check(0.5, {"type": "number", "constraints": rules}))


def said(kind="String", echo="false", **more):
    return {"Type": kind, "Description": "", "NoEcho": echo, "Label": "L", **more}


def answer():
    """Return what Heat answers (a shortened answer of a real one)."""
    child = {
        "Type": "child.yaml",
        "Description": "child d",
        "Parameters": {
            "pw": said(Default="x", Value="canary-1"),
            "url": said(Value="mysql://admin:canary-1@host"),
            "Secret": said(echo="true", Default="canary-1", Value="canary-1"),
        },
    }
    return {
        "Description": "root d",
        "Parameters": {
            "Secret": said(echo="true", Default="canary-1"),
            "Empty": said(echo="true", Default=""),
            "Number": said("Number", MinValue=1, AllowedValues=[1, 3], Value=1, Default=3),
            "Json": said("Json", Default={"a": [{"Secret": "canary-2"}], "b": 1}),
            "Text": said("Json", Default='{"Secret": "canary-3", "b": 1}'),
        },
        "ParameterGroups": [{"label": "g", "parameters": ["Secret"]}],
        "NestedParameters": {
            "Zone": {
                "Type": "OS::Heat::ResourceGroup",
                "Description": "No description",
                "Parameters": {},
                "NestedParameters": {"10": child, "9": dict(child, Type="nine.yaml")},
            },
            "Alone": {"Type": "OS::Heat::ResourceGroup", "Parameters": {}},
            "Child": dict(child, Parameters={**child["Parameters"], "Number": said()}),
        },
        "Environment": {
            "resource_registry": {"resources": {}, "child.yaml": "child.yaml"},
            "parameters": {"Other": "canary-4", "Number": 1},
            "parameter_defaults": {
                "Secret": "canary-1",
                "Unset": None,
                "RoleParameters": {"Secret": "canary-5"},
                "Fencing": {"devices": [{"login": "admin", "passwd": "canary-6"}]},
                "Listed": ["canary-6 is shown nowhere", "admin"],
            },
            "event_sinks": [],
        },
    }


class Flatten(base.TestCase):
    def test_contract(self):
        flat = parameters.flatten(answer())
        self.assertEqual({"resources", "parameters"}, set(flat))
        (root,) = [one for one in flat["resources"].values() if one["name"] == "Root"]
        self.assertEqual("root d", root["description"])
        self.assertEqual(["Secret", "Empty", "Number", "Json", "Text"], root["parameters"])
        self.assertEqual([{"label": "g", "parameters": ["Secret"]}], root["parameter_groups"])
        self.assertNotIn("type", root)
        names = [flat["resources"][one]["name"] for one in root["resources"]]
        self.assertEqual(["Alone", "Child", "Zone"], names)
        zone = flat["resources"][root["resources"][2]]
        members = [flat["resources"][one] for one in zone["resources"]]
        self.assertEqual(["9", "10"], [one["name"] for one in members])
        self.assertEqual(["nine.yaml", "child.yaml"], [one["type"] for one in members])
        self.assertEqual(["pw", "url", "Secret"], members[0]["parameters"])
        self.assertNotIn("resources", members[0])
        for key, one in flat["resources"].items():
            self.assertEqual(key, one["id"])
        self.assertEqual(6, len(flat["resources"]))

    def test_parameters_in_camel_case_and_the_outermost_wins(self):
        self.assertEqual(
            {
                "name": "Number",
                "type": "Number",
                "description": "",
                "noEcho": "false",
                "label": "L",
                "minValue": 1,
                "allowedValues": [1, 3],
                "value": 1,
                "default": 3,
            },
            parameters.flatten(answer())["parameters"]["Number"],
        )

    def test_level_above_wins_over_a_deeper_one(self):
        inner = {"NestedParameters": {"x": {"Parameters": {"P": said(Label="deep")}}}}
        tree = {"NestedParameters": {"a": inner, "b": {"Parameters": {"P": said(Label="high")}}}}
        self.assertEqual("high", parameters.flatten(tree)["parameters"]["P"]["label"])

    def test_same_answer_in_another_order(self):
        def turned(tree):
            tree = dict(tree)
            if "NestedParameters" in tree:
                items = reversed(tree["NestedParameters"].items())
                tree["NestedParameters"] = {name: turned(child) for name, child in items}
            return tree

        first, second = parameters.flatten(answer()), parameters.flatten(turned(answer()))
        self.assertEqual(json.dumps(first), json.dumps(second))

    def test_odd_shapes(self):
        for tree in ({}, {"Parameters": None}, {"NestedParameters": [1]}, {"Parameters": {"a": 1}}):
            self.assertEqual(1, len(parameters.flatten(tree)["resources"]))
            parameters.mask_tree(tree, [])
            self.assertEqual([], parameters.root_groups(tree))

    def test_root_groups(self):
        self.assertEqual(["Alone", "Zone"], parameters.root_groups(answer()))


class MaskTree(base.TestCase):
    def masked(self):
        return parameters.mask_tree(answer(), ["Other", "Fencing"])

    def test_no_secret_anywhere(self):
        self.assertNotIn("canary", json.dumps(self.masked()))
        self.assertNotIn("canary", json.dumps(parameters.flatten(self.masked())))

    def test_the_rest_stays(self):
        tree = self.masked()
        self.assertEqual("", tree["Parameters"]["Empty"]["Default"])
        self.assertEqual(answer()["Parameters"]["Number"], tree["Parameters"]["Number"])
        self.assertEqual({"a": [{"Secret": MASK}], "b": 1}, tree["Parameters"]["Json"]["Default"])
        self.assertEqual(
            {"Secret": MASK, "b": 1}, json.loads(tree["Parameters"]["Text"]["Default"])
        )
        child = tree["NestedParameters"]["Zone"]["NestedParameters"]["9"]["Parameters"]
        self.assertEqual(("x", MASK), (child["pw"]["Default"], child["pw"]["Value"]))
        self.assertEqual(f"mysql://admin:{MASK}@host", child["url"]["Value"])
        defaults = tree["Environment"]["parameter_defaults"]
        self.assertIsNone(defaults["Unset"])
        self.assertEqual([f"{MASK} is shown nowhere", "admin"], defaults["Listed"])
        self.assertEqual({"Other": MASK, "Number": 1}, tree["Environment"]["parameters"])
        self.assertEqual(
            answer()["Environment"]["resource_registry"], tree["Environment"]["resource_registry"]
        )

    def test_short_secret_is_masked_where_it_is_a_whole_value(self):
        tree = {
            "Parameters": {
                "Secret": said(echo="true", Default="xyz"),
                "Same": said(Default="xyz"),
                "Longer": said(Default="wxyz"),
            }
        }
        masked = parameters.mask_tree(tree, [])["Parameters"]
        self.assertEqual([MASK, MASK, "wxyz"], [one["Default"] for one in masked.values()])

    def test_what_is_given_is_not_changed(self):
        tree = answer()
        parameters.mask_tree(tree, ["Other"])
        self.assertEqual(answer(), tree)

    def test_deep_values_are_masked_as_a_whole(self):
        value = {"Secret": "canary-7"}
        for _ in range(200):
            value = {"a": value}
        tree = answer()
        tree["Parameters"]["Json"]["Default"] = value
        masked = parameters.mask_tree(tree, ["Other", "Fencing"])
        self.assertNotIn("canary", json.dumps(masked))


@ddt.ddt
class RoleParameters(base.TestCase):
    @ddt.data(
        ("control", "ControllerCount", "OvercloudControlFlavor"),
        ("compute", "ComputeCount", "OvercloudComputeFlavor"),
        ("ceph-storage", "CephStorageCount", "OvercloudCephStorageFlavor"),
        ("block-storage", "BlockStorageCount", "OvercloudBlockStorageFlavor"),
        ("object-storage", "ObjectStorageCount", "OvercloudSwiftStorageFlavor"),
        ("NetworkerSriov2", "NetworkerSriov2Count", "OvercloudNetworkerSriov2Flavor"),
        ("Mistral", "MistralCount", "OvercloudMistralFlavor"),
    )
    @ddt.unpack
    def test_names(self, role, count, flavor):
        self.assertEqual({count: 3, flavor: "f"}, parameters.role_parameters(role, 3, "f"))

    def test_what_is_not_known_is_left_out(self):
        self.assertEqual({"ControllerCount": 0}, parameters.role_parameters("control", 0, None))
        self.assertEqual({}, parameters.role_parameters("control", None, None))

    @ddt.data(None, 5, "", "a b", "a\n", "-", ["control"], "../x")
    def test_no_name(self, role):
        self.assertRaises(exceptions.InputInvalid, parameters.role_parameters, role, 1, "f")
