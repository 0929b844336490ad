import copy
import pathlib

import ddt
import requests
from mistralclient.api import base as mistral_base
from swiftclient import exceptions as swift_exc

from tests.unit import base, fakes
from tripleo_common import exceptions
from tripleo_common.plan import plans, yaml_files

TEMPLATE = "heat_template_version: 2021-04-16\n"
FILES = {
    "overcloud.j2.yaml": TEMPLATE
    + "resources:\n{% for role in roles %}  {{role.name}}: {type: OS::Heat::None}\n{% endfor %}",
    "registry.j2.yaml": "resource_registry:\n{% for role in roles %}"
    "  OS::TripleO::{{role.name}}: {{role.name|lower}}-role.yaml\n{% endfor %}",
    "role.role.j2.yaml": TEMPLATE + "# {{role}}\n",
    "roles_data.yaml": "- name: Controller\n- name: Compute\n",
    "capabilities-map.yaml": "root_template: overcloud.yaml\nroot_environment: registry.yaml\n",
    "environments/ha.yaml": "parameter_defaults: {ControllerCount: 3}\n",
}
MADE = ["compute-role.yaml", "controller-role.yaml", "overcloud.yaml", "registry.yaml"]


def encoded(files):
    return {path: text.encode() for path, text in files.items()}


class WithPlans(base.TestCase):
    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(fakes.Cloud())
        self.swift, self.mistral = self.cloud.swift, self.cloud.mistral
        opened = self.cloud.open()
        self.plans = plans.Plans(opened, opened)
        self.swift.containers["plan"] = encoded(FILES)

    @property
    def objects(self):
        return self.swift.containers["plan"]

    @property
    def variables(self):
        return self.mistral.environments["plan"]

    def made_plan(self):
        self.plans.create("plan")
        self.forget()

    def forget(self):
        for service in (self.swift, self.mistral):
            service.requests.clear()
            service.sent.clear()

    def state(self):
        return copy.deepcopy((self.swift.containers, self.mistral.environments))

    def changes(self):
        """Return the requests that could have changed something."""
        return [
            line
            for line in (*self.swift.requests, *self.mistral.requests)
            if not line.startswith(("GET", "HEAD"))
        ]


class Create(WithPlans):
    def test_plan_is_its_rendered_files_and_an_environment(self):
        self.plans.create("plan")
        self.assertEqual(set(FILES) | set(MADE), set(self.objects))
        self.assertEqual("overcloud.yaml", self.variables["template"])
        self.assertEqual([{"path": "registry.yaml"}], self.variables["environments"])
        self.assertEqual({}, self.variables["parameter_defaults"])
        self.assertEqual({}, self.variables["passwords"])
        self.assertIn(b"Compute: {type", self.objects["overcloud.yaml"])

    def test_plan_can_be_made_of_a_plan_environment_file(self):
        del self.objects["capabilities-map.yaml"]
        self.objects["plan-environment.yaml"] = (
            b"version: 1.0\nname: other\ntemplate: overcloud.yaml\n"
            b"environments: [{path: registry.yaml}, {path: environments/ha.yaml}]\n"
        )
        self.plans.create("plan")
        self.assertEqual("overcloud.yaml", self.variables["template"])
        self.assertEqual(
            [{"path": "registry.yaml"}, {"path": "environments/ha.yaml"}],
            self.variables["environments"],
        )

    def test_files_that_are_no_text_are_left_alone(self):
        self.objects["logo.png"] = b"\x89PNG\xff"
        self.plans.create("plan")
        self.assertEqual(b"\x89PNG\xff", self.objects["logo.png"])

    def test_existing_plan_is_refused_and_not_touched(self):
        self.made_plan()
        before = self.state()
        error = self.assertRaises(exceptions.PlanExists, self.plans.create, "plan")
        self.assertEqual("Mistral environment", error.part)
        self.assertEqual(before, self.state())
        self.assertEqual([], self.changes())

    def test_container_that_is_not_there_is_told(self):
        self.assertRaises(exceptions.ContainerNotFound, self.plans.create, "nothing")
        self.assertEqual({}, self.mistral.environments)

    def test_environment_that_cannot_be_made_leaves_the_container_as_it_was(self):
        before = self.state()
        self.mistral.fail("POST", "/environments", 500, '{"faultstring": "no"}')
        self.assertRaises(mistral_base.APIException, self.plans.create, "plan")
        self.assertEqual(before, self.state())

    def test_failed_creation_gives_back_the_files_that_rendering_replaced(self):
        self.objects["overcloud.yaml"] = b"what was there"
        before = self.state()
        self.mistral.fail("POST", "/environments", 500, '{"faultstring": "no"}')
        self.assertRaises(mistral_base.APIException, self.plans.create, "plan")
        self.assertEqual(before, self.state())

    def test_file_that_cannot_be_stored_leaves_the_container_as_it_was(self):
        before = self.state()
        self.swift.fail("PUT", "registry.yaml", 403)
        self.assertRaises(swift_exc.ClientException, self.plans.create, "plan")
        self.assertEqual(before, self.state())

    def test_first_error_is_told_even_if_the_clean_up_fails_too(self):
        self.swift.fail("PUT", "registry.yaml", 403)
        self.swift.fail("POST", "bulk-delete", 500)
        error = self.assertRaises(swift_exc.ClientException, self.plans.create, "plan")
        self.assertEqual(403, error.http_status)
        self.assertIn("clean-up failed", self.log.output)

    def test_of_two_who_create_at_once_one_is_refused(self):
        def somebody_is_faster(_request, _context):
            self.mistral.environments["plan"] = {"template": "theirs"}

        self.mistral.on("POST", "/environments", somebody_is_faster)
        self.assertRaises(exceptions.PlanExists, self.plans.create, "plan")
        self.assertEqual({"template": "theirs"}, self.variables)

    def test_the_one_who_is_refused_does_not_take_away_the_others_files(self):
        def somebody_is_faster(_request, _context):
            # They rendered the same templates, so their plan is of the same files.
            self.mistral.environments["plan"] = {"template": "overcloud.yaml", "rendered": MADE}

        self.mistral.on("POST", "/environments", somebody_is_faster)
        self.assertRaises(exceptions.PlanExists, self.plans.create, "plan")
        self.assertEqual(set(FILES) | set(MADE), set(self.objects))

    def test_rendered_plan_that_would_be_too_large_to_read_again_is_refused(self):
        self.set_options(plan_max_files=len(FILES) + 1)
        before = self.state()
        self.assertRaises(exceptions.LimitExceeded, self.plans.create, "plan")
        self.assertEqual(before, self.state())


@ddt.ddt
class Wrong(WithPlans):
    """What the templates' author did wrong is told, and nothing is stored."""

    CASES = (
        ({"overcloud.j2.yaml": "{{ nope }}"}, exceptions.TemplateInvalid, "overcloud.j2.yaml:1"),
        ({"overcloud.j2.yaml": "a: ["}, exceptions.YAMLInvalid, "overcloud.yaml:"),
        ({"registry.j2.yaml": "- a"}, exceptions.YAMLInvalid, "registry.yaml"),
        (
            {"registry.j2.yaml": "resource_registry: {A: ../x.yaml}"},
            exceptions.PathInvalid,
            "registry.yaml",
        ),
        (
            {"registry.j2.yaml": "resource_registry: {A: none.yaml}"},
            exceptions.FileNotInPlan,
            "none.yaml",
        ),
        ({"roles_data.yaml": "a: 1"}, exceptions.YAMLInvalid, "roles_data.yaml"),
        ({"capabilities-map.yaml": "[}"}, exceptions.YAMLInvalid, "capabilities-map.yaml:1:2"),
        (
            {"capabilities-map.yaml": "root_template: overcloud.yaml"},
            exceptions.FileInvalid,
            "missing key: root_environment",
        ),
        (
            {"capabilities-map.yaml": "root_template: 5\nroot_environment: registry.yaml"},
            exceptions.FileInvalid,
            "missing key: root_template",
        ),
        (
            {"capabilities-map.yaml": "root_template: none.yaml\nroot_environment: registry.yaml"},
            exceptions.FileNotInPlan,
            "none.yaml",
        ),
        (
            {"capabilities-map.yaml": "root_template: /a.yaml\nroot_environment: registry.yaml"},
            exceptions.PathInvalid,
            "capabilities-map.yaml",
        ),
        ({"capabilities-map.yaml": None}, exceptions.FileNotInPlan, "capabilities-map.yaml"),
    )

    @ddt.data(*CASES)
    @ddt.unpack
    def test_plan_is_not_created(self, change, kind, words):
        self.change(change)
        before = self.state()
        error = self.assertRaises(kind, self.plans.create, "plan")
        self.assertIn(words, error.message)
        self.assertEqual(before, self.state())
        self.assertEqual([], self.changes())

    @ddt.data(*CASES)
    @ddt.unpack
    def test_plan_stays_as_it_was_when_updated(self, change, kind, words):
        self.made_plan()
        self.change(change)
        before = self.state()
        error = self.assertRaises(kind, self.plans.update, "plan")
        self.assertIn(words, error.message)
        self.assertEqual(before, self.state())
        self.assertEqual([], self.changes())

    @ddt.data(
        "template: overcloud.yaml\nenvironments: registry.yaml\n",
        "template: overcloud.yaml\nenvironments: [registry.yaml]\n",
        "template: ../overcloud.yaml\n",
        "environments: []\n",
        "[]\n",
    )
    def test_plan_environment_file_of_the_wrong_form_is_refused(self, text):
        self.change({"capabilities-map.yaml": None, "plan-environment.yaml": text})
        error = self.assertRaises(exceptions.TripleOError, self.plans.create, "plan")
        self.assertIn("plan-environment.yaml", error.message)
        self.assertEqual([], self.changes())

    def change(self, files):
        for path, text in files.items():
            if text is None:
                del self.objects[path]
            else:
                self.objects[path] = text.encode()


class Update(WithPlans):
    def setUp(self):
        super().setUp()
        self.made_plan()

    def test_chosen_environments_and_parameters_stay(self):
        self.variables["environments"].append({"path": "environments/ha.yaml"})
        self.variables["environments"].append({"data": {"parameter_defaults": {"A": 1}}})
        self.variables["parameter_defaults"] = {"B": 2}
        self.variables["passwords"] = {"P": "secret"}
        kept = copy.deepcopy(self.variables)
        self.plans.update("plan")
        self.assertEqual(kept, self.variables)

    def test_new_roots_replace_the_old_ones_and_come_first(self):
        self.variables["environments"].append({"path": "environments/ha.yaml"})
        self.objects["capabilities-map.yaml"] = (
            b"root_template: main.yaml\nroot_environment: base.yaml\n"
        )
        self.objects["main.yaml"] = TEMPLATE.encode()
        self.objects["base.yaml"] = b"{}"
        self.plans.update("plan")
        self.assertEqual("main.yaml", self.variables["template"])
        self.assertEqual(
            [{"path": "base.yaml"}, {"path": "environments/ha.yaml"}],
            self.variables["environments"],
        )

    def test_root_environment_is_there_even_if_a_client_has_emptied_the_list(self):
        self.variables["environments"] = []
        self.plans.update("plan")
        self.assertEqual([{"path": "registry.yaml"}], self.variables["environments"])

    def test_files_that_rendering_makes_no_more_are_removed(self):
        self.objects["roles_data.yaml"] = b"- name: Controller\n"
        self.plans.update("plan")
        self.assertNotIn("compute-role.yaml", self.objects)
        self.assertIn("controller-role.yaml", self.objects)
        self.assertEqual(set(FILES) | set(MADE) - {"compute-role.yaml"}, set(self.objects))

    def test_uploaded_file_of_that_name_is_never_taken_for_a_stale_one(self):
        self.objects["mine.yaml"] = b"{}"
        self.plans.update("plan")
        self.assertIn("mine.yaml", self.objects)

    def test_update_without_a_change_writes_no_file(self):
        self.plans.update("plan")
        self.assertEqual(0, self.swift.count("PUT") + self.swift.count("POST"))

    def test_unknown_plan_is_told_with_those_there_are(self):
        self.mistral.environments["ssh_keys"] = {}
        error = self.assertRaises(exceptions.PlanNotFound, self.plans.update, "other")
        self.assertEqual(["plan"], error.available)


class Delete(WithPlans):
    def setUp(self):
        super().setUp()
        self.made_plan()

    def test_everything_of_the_plan_goes_and_nothing_else(self):
        self.swift.containers["other"] = {"a": b"1"}
        self.mistral.environments["other"] = {}
        self.plans.delete("plan")
        self.assertEqual(({"other": {"a": b"1"}}, {"other": {}}), self.state())

    def test_unknown_plan_is_told_with_those_there_are(self):
        error = self.assertRaises(exceptions.PlanNotFound, self.plans.delete, "other")
        self.assertEqual(["plan"], error.available)

    def test_half_made_plan_without_environment_can_be_deleted(self):
        del self.mistral.environments["plan"]
        self.swift.metadata["plan"] = {"x-container-meta-usage-tripleo": "plan"}
        self.plans.delete("plan")
        self.assertEqual(({}, {}), self.state())

    def test_container_that_is_no_plan_is_not_deleted(self):
        self.swift.containers["data"] = {"a": b"1"}
        self.assertRaises(exceptions.PlanNotFound, self.plans.delete, "data")
        self.assertEqual({"a": b"1"}, self.swift.containers["data"])

    def test_half_deleted_plan_without_container_can_be_deleted(self):
        del self.swift.containers["plan"]
        self.plans.delete("plan")
        self.assertEqual(({}, {}), self.state())

    def test_deletion_that_broke_off_can_be_repeated(self):
        broken = [True]

        def breaks(_request, context):
            if broken:
                context.status_code = 500
                broken.clear()
                return '{"faultstring": "no"}'
            return None

        self.mistral.on("DELETE", "/environments/plan", breaks)
        self.assertRaises(mistral_base.APIException, self.plans.delete, "plan")
        self.plans.delete("plan")
        self.assertEqual(({}, {}), self.state())


class Process(WithPlans):
    def setUp(self):
        super().setUp()
        self.made_plan()

    def test_only_what_changed_is_stored(self):
        self.objects["role.role.j2.yaml"] = (TEMPLATE + "# new {{role}}\n").encode()
        self.plans.process("plan")
        self.assertEqual(
            ["PUT /plan/compute-role.yaml", "PUT /plan/controller-role.yaml"],
            sorted(self.changes()),
        )
        self.assertIn(b"new Compute", self.objects["compute-role.yaml"])

    def test_plan_without_a_change_is_not_written_at_all(self):
        rendered, variables = self.plans.process("plan")
        self.assertEqual([], self.changes())
        self.assertEqual(MADE, rendered.made)
        self.assertEqual("overcloud.yaml", variables["template"])

    def test_file_that_somebody_changed_is_put_right(self):
        self.objects["overcloud.yaml"] = b"broken"
        self.plans.process("plan")
        self.assertIn(b"Compute: {type", self.objects["overcloud.yaml"])

    def test_stale_files_are_removed_and_remembered_no_more(self):
        self.objects["roles_data.yaml"] = b"- name: Controller\n"
        self.plans.process("plan")
        self.assertNotIn("compute-role.yaml", self.objects)
        self.assertNotIn("compute-role.yaml", self.variables["rendered"])

    def test_wrong_template_stores_nothing(self):
        self.objects["overcloud.j2.yaml"] = b"{{ nope }}"
        before = self.state()
        self.assertRaises(exceptions.TemplateInvalid, self.plans.process, "plan")
        self.assertEqual(before, self.state())

    def test_plan_whose_container_has_gone_is_told(self):
        del self.swift.containers["plan"]
        self.assertRaises(exceptions.ContainerNotFound, self.plans.process, "plan")


@ddt.ddt
class ForeignEnvironment(WithPlans):
    """Clients write the Mistral environment themselves; what they write may be wrong."""

    @ddt.data(
        {"environments": "registry.yaml"},
        {"environments": ["registry.yaml"]},
        {"environments": [5]},
        {"environments": [None]},
        {"environments": [{"path": 5}]},
        {"environments": [{"path": "../x.yaml"}]},
        {"environments": [{"path": "http://host/x.yaml"}]},
        {"environments": [{"path": "none.yaml"}]},
        {"environments": [{"data": "text"}]},
        {"environments": [{"data": {"resource_registry": {"A": "../x.yaml"}}}]},
        {"environments": [{"data": {"resource_registry": {"A": "/etc/passwd.yaml"}}}]},
        {"template": None},
        {"template": "/etc/passwd"},
        {"template": ["overcloud.yaml"]},
        {"parameter_defaults": ["A"]},
        {"parameter_defaults": "text"},
        {"passwords": "text"},
    )
    def test_environment_of_the_wrong_form_is_a_typed_error(self, wrong):
        self.made_plan()
        self.variables.update(wrong)
        self.assertRaises(exceptions.TripleOError, self.plans.process, "plan")
        self.assertEqual([], self.changes())

    @ddt.data({}, {"environments": None, "parameter_defaults": None, "passwords": None})
    def test_environment_of_an_older_client_does(self, variables):
        self.made_plan()
        self.mistral.environments["plan"] = {"template": "overcloud.yaml", **variables}
        self.assertEqual(MADE, self.plans.process("plan")[0].made)


@ddt.ddt
class Names(WithPlans):
    @ddt.data("../x", "a/b", "", "1a", "plan\n", None, 5, "x" * 65)
    def test_name_is_checked_before_any_request(self, name):
        for function, *more in (
            (self.plans.create_container,),
            (self.plans.upload,),
            (self.plans.create,),
            (self.plans.update,),
            (self.plans.delete,),
            (self.plans.process,),
            (self.plans.roles,),
            (self.plans.update_parameters, {}),
        ):
            self.assertRaises(exceptions.PlanNameInvalid, function, name, *more)
        self.assertEqual([], self.cloud.http.request_history)

    def test_plan_has_a_container_and_an_environment(self):
        self.swift.containers = {"b": {}, "a": {}, "images": {}}
        self.mistral.environments = {"a": {}, "b": {}, "ssh_keys": {}}
        self.assertEqual(["a", "b"], self.plans.names())

    def test_three_hundred_plans_are_listed_with_two_requests(self):
        self.swift.containers = {f"p{n}": {"a": b"1"} for n in range(300)}
        self.mistral.environments = {f"p{n}": {} for n in range(300)}
        self.assertEqual(300, len(self.plans.names()))
        self.assertEqual(["GET "], [line.rstrip("/") for line in self.swift.requests])
        self.assertEqual(["GET /environments"], self.mistral.requests)


class CreateContainer(WithPlans):
    def test_container_is_made(self):
        self.plans.create_container("new")
        self.assertEqual({}, self.swift.containers["new"])

    def test_environment_of_that_name_is_in_the_way(self):
        self.mistral.environments["new"] = {}
        self.assertRaises(exceptions.PlanExists, self.plans.create_container, "new")
        self.assertNotIn("new", self.swift.containers)


@ddt.ddt
class Upload(WithPlans):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.temporary())
        for name in ("default", "extra", "elsewhere"):
            (self.root / name / "d").mkdir(parents=True)
            (self.root / name / "d" / "a.yaml").write_text(name)
        self.set_options(
            templates_dir=str(self.root / "default"), templates_roots=[str(self.root / "extra")]
        )
        self.swift.containers["new"] = {}

    def test_default_plan_is_uploaded_with_one_request(self):
        self.assertEqual(1, self.plans.upload("new"))
        self.assertEqual({"d/a.yaml": b"default"}, self.swift.containers["new"])
        self.assertEqual(1, self.swift.count("PUT"))

    def test_directory_below_an_allowed_root_is_uploaded(self):
        self.plans.upload("new", str(self.root / "extra" / "d"))
        self.assertEqual({"a.yaml": b"extra"}, self.swift.containers["new"])

    @ddt.data("elsewhere", "extra/../elsewhere", "extra2", ".", "extra/link", "extra/none")
    def test_any_other_path_is_refused(self, path):
        (self.root / "extra2").mkdir()
        (self.root / "extra" / "link").symlink_to(self.root / "elsewhere")
        error = self.assertRaises(
            exceptions.InputInvalid, self.plans.upload, "new", str(self.root / path)
        )
        self.assertEqual("templates_path", error.name)
        self.assertEqual({}, self.swift.containers["new"])

    @ddt.data("/etc/passwd", "a\0b", "relative", "", 5)
    def test_path_that_is_none_of_the_executors_is_refused(self, path):
        self.assertRaises(exceptions.InputInvalid, self.plans.upload, "new", path)

    def test_container_must_be_there(self):
        self.assertRaises(exceptions.ContainerNotFound, self.plans.upload, "none")


@ddt.ddt
class Roles(WithPlans):
    def test_roles_come_in_the_files_order(self):
        self.made_plan()
        self.assertEqual(
            ["Controller", "Compute"], [role["name"] for role in self.plans.roles("plan")]
        )

    def test_only_the_roles_file_is_read(self):
        self.made_plan()
        self.plans.roles("plan")
        reads = [line for line in self.swift.requests if line.startswith("GET /plan/")]
        self.assertEqual(["GET /plan/roles_data.yaml"], reads)

    def test_missing_roles_file_is_named(self):
        self.made_plan()
        error = self.assertRaises(exceptions.FileNotInPlan, self.plans.roles, "plan", "no.yaml")
        self.assertEqual("no.yaml", error.path)

    def test_roles_file_that_is_no_text_is_a_typed_error(self):
        self.made_plan()
        self.objects["roles_data.yaml"] = b"\xff\xfe"
        self.assertRaises(exceptions.TripleOError, self.plans.roles, "plan")

    @ddt.data("../other/roles_data.yaml", "/etc/passwd", "http://x/y", None, 5)
    def test_roles_file_outside_of_the_plan_is_refused(self, path):
        self.made_plan()
        self.assertRaises(exceptions.PathInvalid, self.plans.roles, "plan", path)


@ddt.ddt
class Parameters(WithPlans):
    def test_values_are_merged_and_the_rest_stays(self):
        self.made_plan()
        self.variables["parameter_defaults"] = {"A": 1, "B": {"x": 1}}
        self.variables["passwords"] = {"P": "secret"}
        merged = self.plans.update_parameters("plan", {"B": {"y": 2}, "C": None})
        self.assertEqual({"A": 1, "B": {"y": 2}, "C": None}, merged)
        self.assertEqual(merged, self.variables["parameter_defaults"])
        self.assertEqual({"P": "secret"}, self.variables["passwords"])

    @ddt.data(None, [], "A=1", 5, [["A", 1]])
    def test_anything_but_a_mapping_is_refused_before_any_request(self, parameters):
        error = self.assertRaises(
            exceptions.InputInvalid, self.plans.update_parameters, "plan", parameters
        )
        self.assertEqual("parameters", error.name)
        self.assertEqual([], self.cloud.http.request_history)


class HeatInput(WithPlans):
    """What wins over what."""

    def merged(self, variables, parameters=None):
        rendered = plans.Rendered(
            {},
            {
                "t.yaml": TEMPLATE,
                "e1.yaml": "parameter_defaults: {A: e1, B: e1}\n",
                "e2.yaml": "parameter_defaults: {A: e2}\n",
            },
            [],
        )
        given = plans.heat_input(rendered, {"template": "t.yaml", **variables}, parameters)
        result = {}
        for name in given.environment_files:
            document = yaml_files.load(given.files[name], name)
            result.update(document.get("parameter_defaults") or {})
        return result

    def test_later_environment_wins(self):
        both = [{"path": "e1.yaml"}, {"path": "e2.yaml"}]
        self.assertEqual({"A": "e2", "B": "e1"}, self.merged({"environments": both}))
        self.assertEqual({"A": "e1", "B": "e1"}, self.merged({"environments": both[::-1]}))

    def test_inline_environment_counts_where_it_stands(self):
        inline = {"data": {"parameter_defaults": {"A": "inline"}}}
        between = [{"path": "e1.yaml"}, inline, {"path": "e2.yaml"}]
        self.assertEqual("e2", self.merged({"environments": between})["A"])
        self.assertEqual("inline", self.merged({"environments": [*between, inline]})["A"])

    def test_parameters_win_over_passwords_and_both_over_environments(self):
        variables = {
            "environments": [{"path": "e1.yaml"}],
            "passwords": {"A": "p", "B": "p"},
            "parameter_defaults": {"A": "d"},
        }
        self.assertEqual({"A": "d", "B": "p"}, self.merged(variables))
        self.assertEqual("now", self.merged(variables, {"A": "now"})["A"])


class Unreachable(WithPlans):
    def test_swift_that_does_not_answer_is_not_taken_for_an_absent_plan(self):
        self.made_plan()

        def down(request, _context):
            raise requests.exceptions.ConnectionError(request=request)

        self.swift.on("HEAD", "/plan", down)
        self.assertRaises(requests.exceptions.ConnectionError, self.plans.process, "plan")
