import ddt
import fixtures

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

    def test_excluded_outputs_are_not_made(self):
        made = self.render(
            "a.j2.yaml",
            "b.role.j2.yaml",
            **{"j2_excludes.yaml": "name: [a.yaml, compute-b.yaml]"},
        )
        self.assertEqual({"controller-b.yaml"}, set(made))

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
        text = "{{role.name}} {{role.tags|default([])|join}}"
        made = render.render({"roles_data.yaml": ROLES, "a.role.j2.yaml": text})
        self.assertEqual("Controller primary", made["controller-a.yaml"])
        self.assertEqual("Compute ", made["compute-a.yaml"])

    def test_all_roles_and_networks_are_there_in_every_template(self):
        text = "{% for r in roles %}{{r.name}} {% endfor %}{{ networks|length }}"
        self.assertEqual("Controller Compute 3", rendered(text))

    def test_network_has_its_place_and_its_lower_name(self):
        text = "{% for n in networks %}{{n.idx}}{{n.name_lower}} {% endfor %}"
        self.assertEqual("0internal_api 1storage 2old ", rendered(text))

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

    def test_includes_in_a_circle_end_in_a_typed_error(self):
        files = {"a.j2.yaml": "{% include 'b' %}", "b": "{% include 'a.j2.yaml' %}"}
        self.assertRaises(exceptions.TemplateInvalid, render.render, files)


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

    def test_recursion_ends_in_a_typed_error(self):
        text = "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"
        self.assertRaises(exceptions.TemplateInvalid, rendered, text)
