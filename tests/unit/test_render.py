import os

import ddt
import fixtures
from testtools import matchers

from tests.unit import base, fakes
from tripleo_common import exceptions
from tripleo_common.plan import render

ROLES = "- name: Controller\n  tags: [primary]\n- name: Compute\n"
NETWORKS = (
    "- name: InternalApi\n  name_lower: internal_api\n"
    "- name: Storage\n"
    "- name: Old\n  enabled: false\n"
)


def rendered(template, name="a.j2.yaml", **files):
    """Render one template with some roles and networks, and return what it became."""
    made = render.render(
        {"roles_data.yaml": ROLES, "network_data.yaml": NETWORKS, name: template, **files}
    )
    return made[name.replace(".j2", "")]


class FakeTime:
    """Stands in for the module ``time``: each look at the clock is a second later."""

    def __init__(self):
        self.clock = fakes.Clock()

    def monotonic(self):
        self.clock.now += 1
        return self.clock.now


@ddt.ddt
class Outputs(base.TestCase):
    """Which files a template becomes: the naming that clients and templates rely on."""

    def render(self, *paths, **files):
        return render.render(
            {
                "roles_data.yaml": ROLES,
                "network_data.yaml": NETWORKS,
                **dict.fromkeys(paths, "x"),
                **files,
            }
        )

    def test_plain_template_becomes_one_file_without_j2(self):
        made = self.render("overcloud.j2.yaml", "d/e.f.j2.yaml")
        self.assertEqual({"overcloud.yaml", "d/e.f.yaml"}, set(made))

    def test_role_template_becomes_one_file_per_role_in_lower_case(self):
        made = self.render("puppet/role.role.j2.yaml", "config.role.j2.yaml")
        self.assertEqual(
            {
                "puppet/controller-role.yaml",
                "puppet/compute-role.yaml",
                "controller-config.yaml",
                "compute-config.yaml",
            },
            set(made),
        )

    def test_nic_configuration_is_named_by_the_role_alone(self):
        made = self.render("network/config/multiple-nics/role.role.j2.yaml")
        self.assertEqual(
            {
                "network/config/multiple-nics/controller.yaml",
                "network/config/multiple-nics/compute.yaml",
            },
            set(made),
        )

    def test_network_template_becomes_one_file_per_enabled_network(self):
        made = self.render("network/network.network.j2.yaml")
        self.assertEqual({"network/internal_api.yaml", "network/storage.yaml"}, set(made))

    def test_port_template_is_named_by_network(self):
        made = self.render("network/ports/port_v6.network.j2.yaml")
        self.assertEqual(
            {"network/ports/internal_api_v6.yaml", "network/ports/storage_v6.yaml"}, set(made)
        )

    def test_what_is_no_template_is_not_touched(self):
        self.assertEqual({}, self.render("a.yaml", "b.j2", "c.j2.yaml.orig"))

    def test_nic_configuration_lies_anywhere_below_the_directory_of_that_name(self):
        made = self.render("network/config.role.j2.yaml", "my-network/config/x.role.j2.yaml")
        self.assertEqual(
            {
                "network/controller.yaml",
                "network/compute.yaml",
                "my-network/config/controller.yaml",
                "my-network/config/compute.yaml",
            },
            set(made),
        )

    def test_network_is_enabled_unless_it_says_false(self):
        networks = "".join(
            f"- {{name: N{number}, enabled: {value}}}\n"
            for number, value in enumerate(("null", "true", "false", "0", "''"))
        )
        made = self.render("network.network.j2.yaml", **{"network_data.yaml": networks})
        self.assertEqual({"n0.yaml", "n1.yaml", "n3.yaml", "n4.yaml"}, set(made))

    def test_excluded_outputs_of_roles_and_networks_are_not_made(self):
        made = self.render(
            "b.role.j2.yaml",
            "n/network.network.j2.yaml",
            **{"j2_excludes.yaml": "name: [compute-b.yaml, n/storage.yaml, storage.yaml]"},
        )
        self.assertEqual({"controller-b.yaml", "n/internal_api.yaml"}, set(made))

    def test_plain_template_cannot_be_excluded(self):
        made = self.render("a.j2.yaml", **{"j2_excludes.yaml": "name: [a.yaml, a.j2.yaml]"})
        self.assertEqual({"a.yaml"}, set(made))

    @ddt.data(".a.j2.yaml", ".git/a.j2.yaml", "d/.e/a.j2.yaml", "d/.j2.yaml", "../a.j2.yaml")
    def test_hidden_template_is_not_rendered(self, path):
        self.assertEqual({}, self.render(path, **{path: "{{ wrong"}))

    @ddt.data("a.role.j2.yaml", "network.network.j2.yaml")
    def test_two_of_the_same_output_are_refused(self, path):
        other = {
            "a.role.j2.yaml": "controller-a.j2.yaml",
            "network.network.j2.yaml": "storage.j2.yaml",
        }[path]
        error = self.assertRaises(exceptions.TemplateInvalid, self.render, path, other)
        self.assertIn(other.replace(".j2", ""), error.message)

    def test_each_file_is_announced_before_it_is_read(self):
        announced = []
        error = self.assertRaises(
            exceptions.TemplateInvalid,
            render.render,
            {"roles_data.yaml": ROLES, "a.j2.yaml": "x", "b.j2.yaml": "{{ x }}", "c.j2.yaml": "x"},
            announce=announced.append,
        )
        self.assertEqual("b.j2.yaml", error.path)
        self.assertEqual(
            [
                "roles_data.yaml",
                "network_data_default.yaml",
                "j2_excludes.yaml",
                "a.j2.yaml",
                "b.j2.yaml",
            ],
            announced,
        )

    def test_plan_without_roles_and_networks_renders_its_plain_templates(self):
        self.assertEqual(
            {"a.yaml": "0 0"},
            render.render(
                {"a.j2.yaml": "{{ roles|length }} {{ networks|length }}", "b.role.j2.yaml": "x"}
            ),
        )


@ddt.ddt
class Data(base.TestCase):
    """What a template can read."""

    def test_role_is_its_name_where_the_template_asks_for_no_attribute(self):
        made = render.render({"roles_data.yaml": ROLES, "a.role.j2.yaml": "is {{role}}"})
        self.assertEqual("is Controller", made["controller-a.yaml"])

    def test_role_is_the_whole_role_where_the_template_reads_its_name(self):
        text = "{{role.name}} {{role.tags|join}}"
        made = render.render({"roles_data.yaml": ROLES, "a.role.j2.yaml": text})
        self.assertEqual("Controller primary", made["controller-a.yaml"])
        self.assertEqual("Compute compute", made["compute-a.yaml"])

    @ddt.data(
        ("Controller", "[]", []),
        ("Controller", "null", []),
        ("Compute", "[]", ["compute"]),
        ("Compute", "[x, compute]", ["x", "compute"]),
        ("ComputeHCI", "[x]", ["x", "compute"]),
        ("ComputeOvsDpdkSriov", "[]", ["compute", "ovsdpdk"]),
        ("ComputeOvsDpdk", "[ovsdpdk]", ["ovsdpdk", "compute"]),
        ("DistributedComputeHCI", "[]", ["compute"]),
        ("HciCephAll", "[]", ["compute"]),
        ("CephStorage", "[]", ["ceph", "storage"]),
        ("ObjectStorage", "[]", ["storage"]),
        ("BlockStorage", "[storage]", ["storage"]),
        ("MyCompute", "[]", []),
        ("computer", "[]", []),
    )
    @ddt.unpack
    def test_role_has_the_tags_that_its_name_stands_for(self, name, tags, expected):
        files = {"roles_data.yaml": f"- {{name: {name}, tags: {tags}}}"}
        made = render.render({**files, "a.j2.yaml": "{{ roles[0].tags|join(' ') }}"})
        self.assertEqual(expected, made["a.yaml"].split())

    def test_tags_of_one_role_are_not_those_of_another_with_the_same_alias(self):
        roles = "- {name: Compute, tags: &t [x]}\n- {name: Controller, tags: *t}\n"
        text = "{% for role in roles %}{{ role.tags|join }} {% endfor %}"
        self.assertEqual("xcompute x ", rendered(text, **{"roles_data.yaml": roles}))

    def test_every_kind_of_template_reads_what_is_for_it(self):
        for path, expected in (
            ("a.j2.yaml", ["roles", "networks"]),
            ("compute.role.j2.yaml", ["networks", "role"]),
            ("network.network.j2.yaml", ["network"]),
        ):
            text = "".join(
                f"{{% if {name} is defined %}}{name} {{% endif %}}"
                for name in ("roles", "networks", "role", "network")
            )
            files = {"roles_data.yaml": ROLES, "network_data.yaml": NETWORKS, path: text}
            for made in render.render(files).values():
                self.assertEqual(expected, made.split())

    def test_network_has_its_place_and_its_lower_name_if_it_is_enabled(self):
        text = "{% for n in networks %}{{n.idx}}{{n.name_lower}} {% endfor %}"
        self.assertEqual("0internal_api 1storage 2 ", rendered(text))

    @ddt.data(
        ({}, None, "0"),
        ({"network_data_default.yaml": "- name: A"}, None, "1"),
        ({"network_data_default.yaml": "- name: A", "network_data.yaml": "[]"}, None, "0"),
        ({"n.yaml": "- name: A", "network_data.yaml": "[]"}, "n.yaml", "1"),
        ({"d/n.yaml": "- name: A"}, "./d/n.yaml", "1"),
    )
    @ddt.unpack
    def test_networks_file_can_be_chosen_and_has_a_default(self, files, chosen, expected):
        files = {**files, "a.j2.yaml": "{{ networks|length }}"}
        self.assertEqual({"a.yaml": expected}, render.render(files, networks_file=chosen))

    def test_roles_file_can_be_chosen(self):
        files = {"roles_data.yaml": ROLES, "d/r.yaml": "- name: A", "a.role.j2.yaml": "{{role}}"}
        self.assertEqual({"a-a.yaml": "A"}, render.render(files, roles_file="d/r.yaml"))

    @ddt.data("roles_file", "networks_file")
    def test_chosen_file_that_is_not_there_is_named(self, choice):
        error = self.assertRaises(
            exceptions.FileNotInPlan, render.render, {"a.j2.yaml": ""}, **{choice: "d/x.yaml"}
        )
        self.assertEqual("d/x.yaml", error.path)

    @ddt.data("roles_file", "networks_file")
    def test_chosen_file_that_is_wrong_is_named(self, choice):
        error = self.assertRaises(
            exceptions.YAMLInvalid, render.render, {"d/x.yaml": "5"}, **{choice: "d/x.yaml"}
        )
        self.assertEqual("d/x.yaml", error.path)

    @ddt.data("../x.yaml", "/etc/passwd", "http://h/x", "", 5, ["a"], {"a": 1})
    def test_choice_that_is_no_path_of_the_plan_is_refused(self, path):
        for choice in ("roles_file", "networks_file"):
            self.assertRaises(
                exceptions.PathInvalid, render.render, {"a.j2.yaml": ""}, **{choice: path}
            )

    def test_key_that_a_role_does_not_have_is_empty(self):
        self.assertEqual("[]", rendered("[{{ roles[0].nothing }}]"))
        self.assertEqual("d", rendered("{{ roles[0].nothing|default('d') }}"))

    def test_template_that_changes_the_roles_changes_them_for_no_other(self):
        files = {
            "roles_data.yaml": ROLES,
            "b.j2.yaml": "{{ roles|length }}{{ roles[0].x }}",
            "z.j2.yaml": "{{ roles|length }}{{ roles[0].x }}",
        }
        alone = render.render(files)
        for change in ("roles.append({'name': 'X'})", "roles[0].update({'x': 1})"):
            try:
                made = render.render({**files, "m.j2.yaml": "{{ " + change + " }}"})
            # It may also be refused.
            except exceptions.TemplateInvalid:
                continue
            self.assertEqual(alone, {path: made[path] for path in alone})

    def test_order_of_files_does_not_matter(self):
        files = {
            "roles_data.yaml": ROLES,
            "a.j2.yaml": "{% include 'b.j2.yaml' %}",
            "b.j2.yaml": "{{ roles|length }}",
            "c.role.j2.yaml": "{{role}}",
        }
        self.assertEqual(render.render(files), render.render(dict(reversed(list(files.items())))))

    def test_given_files_are_left_alone(self):
        files = {"roles_data.yaml": ROLES, "network_data.yaml": NETWORKS, "a.j2.yaml": "x"}
        before = dict(files)
        render.render(files)
        self.assertEqual(before, files)

    @ddt.data(
        ("network_data.yaml", "a: 1"),
        ("network_data.yaml", "- 5"),
        ("network_data.yaml", "- {enabled: true}"),
        ("network_data.yaml", "- {name: A, name_lower: 5}"),
        ("network_data.yaml", "- {name: ../../evil}"),
        ("network_data.yaml", "- {name: A, name_lower: ../../../other/overcloud}"),
        ("network_data.yaml", "- {name: A, name_lower: x/y}"),
        ("network_data.yaml", "- [unclosed"),
        ("roles_data.yaml", "- {name: ../x}"),
        ("roles_data.yaml", "a: 1"),
        ("roles_data.yaml", "- {name: A, tags: x}"),
        ("roles_data.yaml", "- {name: A, tags: {x: 1}}"),
        ("network_data_default.yaml", "- 5"),
        ("j2_excludes.yaml", "name: a.yaml"),
        ("j2_excludes.yaml", "- a.yaml"),
    )
    @ddt.unpack
    def test_data_file_of_the_wrong_form_is_refused_by_name(self, path, text):
        files = {"a.network.j2.yaml": "x", "network/ports/port.network.j2.yaml": "x"}
        error = self.assertRaises(exceptions.FileInvalid, render.render, {**files, path: text})
        self.assertEqual(path, error.path)


@ddt.ddt
class Include(base.TestCase):
    def test_include_is_found_beside_the_template(self):
        made = render.render({"d/a.j2.yaml": "{% include 'b' %}", "d/b": "beside", "b": "root"})
        self.assertEqual("beside", made["d/a.yaml"])

    def test_include_is_found_from_the_root(self):
        made = render.render({"d/a.j2.yaml": "{% include 'e/b' %}", "e/b": "root"})
        self.assertEqual("root", made["d/a.yaml"])

    def test_include_in_an_include_is_relative_to_that_one(self):
        made = render.render(
            {"a.j2.yaml": "{% include 'd/b' %}", "d/b": "{% include '../e/c' %}", "e/c": "deep"}
        )
        self.assertEqual("deep", made["a.yaml"])

    def test_include_in_an_include_is_first_sought_beside_the_template_then_from_the_root(self):
        files = {"a/t.j2.yaml": "{% include 'b/i' %}", "b/i": "{% include 'c' %}", "b/c": "parent"}
        self.assertEqual("parent", render.render(files)["a/t.yaml"])
        files["c"] = "root"
        self.assertEqual("root", render.render(files)["a/t.yaml"])
        files["a/c"] = "template"
        self.assertEqual("template", render.render(files)["a/t.yaml"])

    def test_include_that_may_be_missing_may(self):
        text = "{% include 'x' ignore missing %}{% include ['x', 'y'] %}"
        self.assertEqual("found", rendered(text, y="found"))

    def test_macro_can_be_imported(self):
        made = render.render(
            {
                "a.j2.yaml": "{% from 'm' import f %}{{ f(2) }}",
                "m": "{% macro f(x) %}<{{ x }}>{% endmacro %}",
            }
        )
        self.assertEqual("<2>", made["a.yaml"])

    @ddt.data("../b", "/etc/passwd", "file:///etc/passwd", "http://h/x", "d/../../b", "~/x")
    def test_include_that_leaves_the_plan_is_refused(self, path):
        files = {"a.j2.yaml": "{% include '" + path + "' %}"}
        error = self.assertRaises(exceptions.PathInvalid, render.render, files)
        self.assertEqual("a.j2.yaml", error.referrer)

    def test_missing_include_names_the_file_and_who_wants_it(self):
        files = {"d/a.j2.yaml": "{% include 'nothing.yaml' %}"}
        error = self.assertRaises(exceptions.FileNotInPlan, render.render, files)
        self.assertEqual(("nothing.yaml", "d/a.j2.yaml"), (error.path, error.referrer))

    @ddt.data(
        ({"a.j2.yaml": "a.j2.yaml"}, "a.j2.yaml -> a.j2.yaml"),
        ({"a.j2.yaml": "d/b", "d/b": "../a.j2.yaml"}, "a.j2.yaml -> d/b -> a.j2.yaml"),
        ({"a.j2.yaml": "b", "b": "c", "c": "d", "d": "b"}, "b -> c -> d -> b"),
    )
    @ddt.unpack
    def test_circle_of_includes_is_named(self, includes, circle):
        for way in ("include '{}'", "extends '{}'", "import '{}' as x"):
            files = {
                path: "{% " + way.format(included) + " %}" for path, included in includes.items()
            }
            error = self.assertRaises(exceptions.TemplateInvalid, render.render, files)
            self.assertThat(error.message, matchers.EndsWith(f": {circle}"))
            self.assertEqual(circle.split()[0], error.path)

    def test_circle_is_told_from_what_is_included_besides(self):
        files = {
            "a.j2.yaml": "{% include 'x' %}{% include 'b' %}",
            "x": "{% include 'y' %}{% include 'y' %}",
            "y": "y",
            "b": "{% include 'x' %}{% include 'c' %}",
            "c": "{% include 'y' %}{% include 'b' %}",
        }
        error = self.assertRaises(exceptions.TemplateInvalid, render.render, files)
        self.assertIn(": b -> c -> b", error.message)

    def test_circle_that_ends_is_allowed(self):
        text = "{{ n.i }}{% set n.i = n.i - 1 %}{% if n.i %}{% include 'b' %}{% endif %}"
        self.assertEqual("321", rendered("{% set n = namespace(i=3) %}{% include 'b' %}", b=text))


@ddt.ddt
class Errors(base.TestCase):
    def invalid(self, files):
        return self.assertRaises(exceptions.TemplateInvalid, render.render, files)

    @ddt.data("x\n{% for %}\n", "x\n{{ a b }}\n", "\n{% nothing %}", "\n{% if 1 %}{% endfor %}")
    def test_syntax_error_names_file_and_line(self, text):
        error = self.invalid({"d/a.j2.yaml": text})
        self.assertEqual(("d/a.j2.yaml", 2), (error.path, error.line))
        self.assertTrue(error.message.startswith("d/a.j2.yaml:2: "), error.message)

    def test_syntax_error_in_an_include_names_that_file(self):
        error = self.invalid({"a.j2.yaml": "\n\n{% include 'd/b' %}", "d/b": "\n{% for %}"})
        self.assertEqual(("d/b", 2), (error.path, error.line))

    @ddt.data(
        "\n{{ misspelt }}",
        "\n{{ misspelt.name }}",
        "\n{% for role in misspelt %}x{% endfor %}",
        "\n{{ misspelt + 1 }}",
        "\n{{ roles[0].nothing.deeper }}",
        "\n{{ 1 // 0 }}",
        "\n{{ misspelt() }}",
        "\n{{ 'x'|int(y) }}",
    )
    def test_undefined_variable_or_failing_expression_names_file_and_line(self, text):
        error = self.invalid({"roles_data.yaml": ROLES, "d/a.j2.yaml": text})
        self.assertEqual(("d/a.j2.yaml", 2), (error.path, error.line))

    @ddt.data(
        "{{ ('x' * 1000000)|int(y) }}",
        "{{ [].append('x' * 1000000, 1) }}",
        "{% include 'x' * 1000000 %}",
        "{% include 'http:' ~ 'x' * 1000000 %}",
        "{{ 'x'|attr('y' * 1000000)|int(z) }}",
        "{% " + "x" * 1000000 + " %}",
        "{{ " + "x" * 1000000 + " }}",
    )
    def test_error_that_holds_megabytes_is_cut(self, text):
        error = self.assertRaises(exceptions.TripleOError, rendered, text)
        self.assertLess(len(str(error.to_dict())), 2000)

    def test_templates_are_not_sought_among_the_files_of_the_machine(self):
        directory = self.temporary()
        self.useFixture(fixtures.MonkeyPatch("sys.path", [directory]))
        # A reader would wait for ever.
        os.mkfifo(os.path.join(directory, "b"))
        cwd = os.getcwd()
        self.addCleanup(os.chdir, cwd)
        os.chdir(directory)
        error = self.invalid({"a.j2.yaml": "{% include 'b' %}", "b": "{{ nope }}"})
        self.assertEqual(("b", 1), (error.path, error.line))

    def test_undefined_variable_is_named(self):
        self.assertIn("'misspelt'", self.invalid({"a.j2.yaml": "{{ misspelt }}"}).message)

    def test_undefined_variable_in_an_include_names_that_file(self):
        error = self.invalid({"a.j2.yaml": "\n\n{% include 'd/b' %}", "d/b": "\n{{ nope }}"})
        self.assertEqual(("d/b", 2), (error.path, error.line))


@ddt.ddt
class Sandbox(base.TestCase):
    """A plan's templates come from its users, and run in an executor with its credentials."""

    @ddt.data(
        "''.__class__.__mro__",
        "''.__class__.__base__.__subclasses__()",
        "''['__class__']['__mro__']",
        "''|attr('__class__')|attr('__mro__')",
        "cycler.__init__.__globals__.os.environ",
        "joiner.__init__.__globals__",
        "namespace.__init__.__globals__",
        "lipsum.__globals__['os'].popen('id').read()",
        "self.__init__.__globals__",
        "self._TemplateReference__context",
        "roles.__class__.__init__.__globals__",
        "'{0.__class__.__mro__}'.format('')",
        "'{x.__class__}'.format_map({'x': 1})",
        "(lipsum|attr('func_globals'))",
        "roles|map(attribute='__class__')|list",
        "[1]|map('attr', '__class__')|list",
        "environ",
        "open('/etc/passwd').read()",
        "config",
    )
    def test_nothing_outside_of_the_plan_can_be_reached(self, expression):
        try:
            text = rendered("{{ " + expression + " }}")
        except exceptions.TemplateInvalid:
            return
        for trace in ("class", "root:", "PATH", "object at", "<module", "uid="):
            self.assertNotIn(trace, text)

    @ddt.data("range(10**9)", "range(0, 10**9, 2)", "range(99999999999999999999)")
    def test_endless_range_is_refused(self, expression):
        self.assertRaises(
            exceptions.TemplateInvalid, rendered, "{% for i in " + expression + " %}{% endfor %}"
        )

    @ddt.data(
        "{% for i in range(99999) %}xxxxxxxxxxxxxxxxxxxxxxxxx{% endfor %}",
        "{% for i in range(9) %}{% for j in range(99999) %}xxx{% endfor %}{% endfor %}",
        "{{ 'x' * 2000000 }}",
        "{% macro m() %}{{ 'x' * 2000000 }}{% endmacro %}{{ m() }}",
    )
    def test_output_over_the_limit_is_refused_with_the_option(self, template):
        self.set_options(file_max_mib=1)
        error = self.assertRaises(exceptions.LimitExceeded, rendered, template)
        self.assertEqual("file_max_mib", error.option)

    @ddt.data(
        ("plan_max_files", {"plan_max_files": 5}, "x"),
        ("plan_max_mib", {"plan_max_mib": 2, "file_max_mib": 1}, "{{ 'x' * 1000000 }}"),
    )
    @ddt.unpack
    def test_what_rendering_makes_is_no_more_than_a_plan_may_hold(self, option, limits, text):
        self.set_options(**limits)
        roles = "".join(f"- name: R{n}\n" for n in range(10))
        error = self.assertRaises(
            exceptions.LimitExceeded,
            lambda: len(render.render({"roles_data.yaml": roles, "a.role.j2.yaml": text})),
        )
        self.assertEqual(option, error.option)

    @ddt.data(
        "{% for i in range(99) %}x{% endfor %}",
        "{% for i in range(99) %}{% for j in range(99) %}{% endfor %}{% endfor %}",
        "{% for i in range(99) %}{% set x = i %}{% endfor %}",
        "{% set x %}{% for i in range(99) %}x{% endfor %}{% endset %}",
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(9) }}",
    )
    def test_rendering_ends_when_its_time_is_up(self, template):
        self.set_options(render_timeout=20)
        self.useFixture(fixtures.MonkeyPatch("tripleo_common.plan.render.time", FakeTime()))
        error = self.assertRaises(exceptions.TemplateInvalid, rendered, template)
        self.assertIn("render_timeout", error.message)
        self.assertEqual("a.j2.yaml", error.path)

    def test_path_of_an_output_is_no_longer_than_a_store_takes(self):
        files = {"a.role.j2.yaml": "x", "roles_data.yaml": f"- name: {'R' * 1100}"}
        error = self.assertRaises(exceptions.TemplateInvalid, render.render, files)
        self.assertEqual("a.role.j2.yaml", error.path)
        self.assertIn("1024", error.message)

    @ddt.data(
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ " + "(" * 10000 + "1" + ")" * 10000 + " }}",
        "{{ 1" + "+1" * 10000 + " }}",
        "{% if 1 %}" * 2000 + "{% endif %}" * 2000,
    )
    def test_recursion_ends_in_a_typed_error(self, text):
        error = self.assertRaises(exceptions.TemplateInvalid, rendered, text)
        self.assertIn("nested too deep", error.message)
        self.assertEqual("a.j2.yaml", error.path)

    @ddt.data("\n{{ 'x' * 10**17 }}", "\n{{ 'x'.ljust(10**17) }}", "\n{{ [1] * 10**17 }}")
    def test_full_memory_is_an_error_with_the_option(self, text):
        error = self.assertRaises(exceptions.TemplateInvalid, rendered, text)
        self.assertIn("render_memory_mib", error.message)
        self.assertEqual(("a.j2.yaml", 2), (error.path, error.line))
