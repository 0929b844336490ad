import copy
import functools
import gzip
import json
import pathlib

import ddt
import fixtures
import requests
from mistralclient.api import base as mistral_base
from swiftclient import exceptions as swift_exc

from tests.unit import base, fakes
from tripleo_common import exceptions
from tripleo_common.plan import candidate as candidates
from tripleo_common.plan import (
    container,
    placing,
    plans,
    render,
    secrets,
    site,
    store,
    yaml_files,
)
from tripleo_common.plan.changes import Change

TEMPLATE = "heat_template_version: 2021-04-16\n"
PARAMETERS = (
    "parameters:\n  ControllerCount: {type: number, default: 1}\n"
    "  A: {type: string, default: ''}\n  B: {type: string, default: ''}\n"
    "  Hidden: {type: string, hidden: true, default: ''}\n"
)
FILES = {
    "overcloud.j2.yaml": TEMPLATE
    + PARAMETERS
    + "resources:\n{% for role in roles %}  {{role.name}}: {type: OS::Heat::None}\n{% endfor %}",
    "registry.j2.yaml": "resource_registry:\n{% for role in roles %}"
    "  OS::TripleO::{{role.name}}: {{role.name|lower}}-role.yaml\n{% endfor %}",
    "role.role.j2.yaml": TEMPLATE + "# {{role}}\n",
    "roles_data.yaml": "- name: Controller\n- name: Compute\n",
    "capabilities-map.yaml": "root_template: overcloud.yaml\nroot_environment: registry.yaml\n",
    "environments/ha.yaml": "parameter_defaults: {ControllerCount: 3}\n",
}
MADE = ["compute-role.yaml", "controller-role.yaml", "overcloud.yaml", "registry.yaml"]
ALL = {*FILES, *MADE, "plan-environment.yaml"}
SERVICE = TEMPLATE + "parameters:\n  AdminPassword: {type: string, hidden: true}\n"


def encoded(files):
    return {path: text.encode() for path, text in files.items()}


@functools.lru_cache(256)
def _rendered(files):
    return render.render(dict(files))


def rendered(files):
    """Render in this process, and the same files once for all tests."""
    return dict(_rendered(tuple(sorted(files.items()))))


def change(**more):
    return Change(**{"action": "tripleo.test", "user": "admin", **more})


def setting(**parameters):
    """Return an edit that sets parameters."""

    def edit(candidate):
        candidate.variables["parameter_defaults"].update(parameters)

    return edit


def nothing(_candidate):
    pass


class WithPlans(base.TestCase):
    """A fake cloud with the files of a plan; templates are rendered in this process."""

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MonkeyPatch("tripleo_common.plan.rendering.run", rendered))
        self.start_executor()
        self.use_keys()
        self.cloud = self.useFixture(fakes.Cloud())
        self.swift, self.mistral = self.cloud.swift, self.cloud.mistral
        self.plans = plans.Plans(self.cloud.reach())
        self.swift.containers["plan"] = encoded(FILES)

    @property
    def objects(self):
        return self.swift.containers["plan"]

    @property
    def archived(self):
        return self.swift.containers["plan.revisions"]

    @property
    def variables(self):
        return self.mistral.environments["plan"]

    @property
    def marker(self):
        return self.swift.metadata["plan"].get(container.REVISION_HEADER)

    def made_plan(self, **more):
        self.plans.create("plan", change(), **more)
        self.forget()

    def set(self, **parameters):
        return self.plans.change("plan", change(), setting(**parameters))

    def commit(self, **more):
        return self.plans.change("plan", change(**more), nothing)

    def sync(self):
        for told in placing.sync(self.plans, "plan", change()):
            self.assertEqual("synced", told["state"], told)

    def forget(self):
        for service in (self.swift, self.mistral):
            service.requests.clear()
            service.sent.clear()

    def state(self):
        return copy.deepcopy((self.swift.containers, self.mistral.environments))

    def changes(self):
        """Return the requests that could have changed something, but for those about the lock."""
        found = []
        for service in (self.swift, self.mistral):
            for request, line in zip(service.sent, service.requests, strict=True):
                is_lock = service is self.mistral and "plan.lock" in f"{request.url}{request.body}"
                if not line.startswith(("GET", "HEAD")) and not is_lock:
                    found.append(line)
        return found

    def read(self):
        """Return files and variables of the plan, as a process finds them that knows nothing."""
        self.start_executor()
        state = self.plans.read("plan")
        return dict(state.files.contents), dict(state.variables)

    def assert_in_line(self):
        """Assert that the container shows exactly the plan's revision."""
        state = self.plans.read("plan")
        self.assertEqual([], state.direct)
        self.assertEqual(str(state.revision), self.marker)
        self.assertEqual(state.base.contents, self.objects)


class Create(WithPlans):
    def test_plan_is_its_rendered_files_and_an_environment(self):
        committed = self.plans.create("plan", change())
        self.assertEqual((1, True, True), (committed.revision, committed.changed, committed.synced))
        self.assertEqual(ALL, set(self.objects))
        self.assertEqual("overcloud.yaml", self.variables["template"])
        self.assertEqual([{"path": "registry.yaml"}], self.variables["environments"])
        self.assertEqual({}, self.variables["parameter_defaults"])
        self.assertEqual({}, self.variables["passwords"])
        self.assertEqual(["Controller", "Compute"], self.variables["roles"])
        self.assertEqual("registry.yaml", self.variables["capabilities"]["root_environment"])
        self.assertIn(b"Compute: {type", self.objects["overcloud.yaml"])
        self.assert_in_line()

    def test_lock_is_gone_afterwards(self):
        self.made_plan()
        self.assertEqual(["plan"], list(self.mistral.environments))

    def test_plan_can_be_made_of_a_plan_environment_file(self):
        del self.objects["capabilities-map.yaml"]
        self.objects["plan-environment.yaml"] = (
            b"version: 1.0\nname: other\ntemplate: overcloud.yaml\n"
            b"environments: [{path: registry.yaml}, {path: environments/ha.yaml}]\n"
            b"parameter_defaults: {A: a}\n"
        )
        self.plans.create("plan", change())
        self.assertEqual("overcloud.yaml", self.variables["template"])
        self.assertEqual(
            [{"path": "registry.yaml"}, {"path": "environments/ha.yaml"}],
            self.variables["environments"],
        )
        self.assertEqual({"A": "a"}, self.variables["parameter_defaults"])

    def test_what_a_plan_environment_file_chooses_counts_beside_the_maps_roots(self):
        self.objects["plan-environment.yaml"] = (
            b"version: 1.0\nname: exported\ntemplate: overcloud.yaml\n"
            b"environments: [{path: registry.yaml}, {path: environments/ha.yaml}]\n"
            b"parameter_defaults: {A: a}\n"
        )
        self.plans.create("plan", change())
        self.assertEqual(
            [{"path": "registry.yaml"}, {"path": "environments/ha.yaml"}],
            self.variables["environments"],
        )
        self.assertEqual({"A": "a"}, self.variables["parameter_defaults"])

    def test_what_comes_from_another_plan_joins_what_its_files_say(self):
        files = encoded(FILES)
        files["plan-environment.yaml"] = (
            b"template: overcloud.yaml\nenvironments: [{path: registry.yaml}]\n"
            b"parameter_defaults: {A: a}\npasswords: {}\n"
        )
        self.swift.containers.clear()
        given = {"passwords": {"P": "canary-p"}, "parameter_defaults": {"Hidden": "canary-h"}}
        self.plans.create("plan", change(), files=files, variables=given)
        self.assertEqual("a", self.variables["parameter_defaults"]["A"])
        vault = secrets.Vault.from_options()
        for key, name in (("passwords", "P"), ("parameter_defaults", "Hidden")):
            self.assertEqual(given[key][name], vault.decrypt(self.variables[key][name], name))

    def test_templates_without_any_map_have_the_roots_that_upstreams_have(self):
        for path in ("capabilities-map.yaml", "registry.j2.yaml"):
            del self.objects[path]
        self.objects["overcloud-resource-registry-puppet.j2.yaml"] = FILES[
            "registry.j2.yaml"
        ].encode()
        self.plans.create("plan", change())
        root = "overcloud-resource-registry-puppet.yaml"
        self.assertEqual("overcloud.yaml", self.variables["template"])
        self.assertEqual([{"path": root}], self.variables["environments"])
        self.assertNotIn("capabilities", self.variables)
        self.plans.update("plan", change())
        self.assertEqual([{"path": root}], self.variables["environments"])

    def test_files_that_are_no_text_are_left_alone(self):
        self.objects["logo.png"] = b"\x89PNG\xff"
        self.plans.create("plan", change())
        self.assertEqual(b"\x89PNG\xff", self.objects["logo.png"])

    def test_plan_of_given_files_gets_a_container(self):
        self.swift.containers.clear()
        self.plans.create("plan", change(), files=encoded(FILES))
        self.assertEqual("plan", self.swift.metadata["plan"][container.USAGE_HEADER])
        self.assert_in_line()

    def test_given_files_go_into_no_container_that_is_there(self):
        before = self.state()
        error = self.assertRaises(
            exceptions.PlanExists, self.plans.create, "plan", change(), files=encoded(FILES)
        )
        self.assertEqual("container", error.part)
        self.assertEqual(before, self.state())

    def test_passwords_that_the_templates_want_are_made_and_encrypted(self):
        self.objects["service.yaml"] = SERVICE.encode()
        self.plans.create("plan", change())
        self.assertTrue(secrets.is_encrypted(self.variables["passwords"]["AdminPassword"]))

    def test_passwords_of_a_stack_that_is_there_are_taken_over(self):
        self.objects["service.yaml"] = SERVICE.encode()
        self.cloud.heat.add("plan", "CREATE_COMPLETE", environment={"AdminPassword": "canary-p"})
        self.plans.create("plan", change())
        stored = self.variables["passwords"]["AdminPassword"]
        self.assertEqual("canary-p", secrets.Vault.from_options().decrypt(stored, "x"))

    def test_no_password_is_made_unless_asked_for(self):
        self.objects["service.yaml"] = SERVICE.encode()
        self.plans.create("plan", change(), generate_passwords=False)
        self.assertEqual({}, self.variables["passwords"])

    def test_existing_plan_is_refused_and_not_touched(self):
        self.made_plan()
        before = self.state()
        error = self.assertRaises(exceptions.PlanExists, self.plans.create, "plan", change())
        self.assertEqual("Mistral environment", error.part)
        self.assertEqual(before, self.state())
        self.assertEqual([], self.changes())

    def test_creation_that_mistral_delivers_twice_makes_one_plan(self):
        first = self.plans.create("plan", change(request="r1"))
        before = self.state()
        self.assertEqual(first, self.plans.create("plan", change(request="r1")))
        self.assertEqual(before, self.state())
        self.assertRaises(exceptions.PlanExists, self.plans.create, "plan", change(request="r2"))

    def test_container_that_is_not_there_is_told(self):
        self.assertRaises(exceptions.ContainerNotFound, self.plans.create, "nothing", change())
        self.assertEqual({}, self.mistral.environments)

    def test_earlier_plan_of_that_name_is_not_this_ones_history(self):
        self.made_plan()
        self.set(A="old")
        del self.mistral.environments["plan"]
        self.made_plan()
        self.assertEqual([1], self.plans.open("plan").archive.numbers())
        # But what lies in the container counts.
        self.assertEqual({"A": "old"}, self.read()[1]["parameter_defaults"])

    def test_container_that_showed_another_plan_is_brought_into_line(self):
        self.made_plan()
        self.variables["parameter_defaults"] = {"A": "old"}
        del self.objects["environments/ha.yaml"]
        self.commit()
        # As if that had been revision 1, as the new one's will be.
        self.swift.metadata["plan"][container.REVISION_HEADER] = "1"
        del self.mistral.environments["plan"]
        del self.objects["plan-environment.yaml"]
        self.objects["roles_data.yaml"] = b"- name: Controller\n"
        self.plans.create("plan", change())
        self.assertEqual({}, self.read()[1]["parameter_defaults"])
        self.assert_in_line()

    def environment_cannot_be_made(self):
        def refuse(request, context):
            if json.loads(request.body)["name"] != "plan":
                return None
            context.status_code = 500
            return '{"faultstring": "no"}'

        self.mistral.on("POST", "/environments", refuse)

    def test_environment_that_cannot_be_made_leaves_what_was_there(self):
        self.objects["overcloud.yaml"] = b"what was there"
        before = self.state()
        self.environment_cannot_be_made()
        self.assertRaises(mistral_base.APIException, self.plans.create, "plan", change())
        self.assertEqual(before, self.state())

    def test_container_that_was_made_for_it_goes_with_a_failed_creation(self):
        self.swift.containers.clear()
        self.environment_cannot_be_made()
        self.assertRaises(
            mistral_base.APIException,
            self.plans.create,
            "plan",
            change(),
            files=encoded(FILES),
        )
        self.assertEqual(({}, {}), self.state())

    def test_revision_that_cannot_be_stored_leaves_what_was_there(self):
        before = self.state()
        self.swift.fail("PUT", "plan.revisions/revisions", 403)
        self.assertRaises(swift_exc.ClientException, self.plans.create, "plan", change())
        self.assertEqual(before, self.state())

    def test_first_error_is_told_even_if_the_clean_up_fails_too(self):
        self.swift.fail("PUT", "plan.revisions/revisions", 403)
        self.swift.fail("POST", "bulk-delete", 500)
        error = self.assertRaises(swift_exc.ClientException, self.plans.create, "plan", change())
        self.assertEqual(403, error.http_status)
        self.assertIn("a part of it is left", self.log.output)

    def test_plan_whose_container_cannot_be_written_is_made_all_the_same(self):
        self.swift.fail("PUT", "/plan/", 403)
        committed = self.plans.create("plan", change())
        self.assertEqual((True, False), (committed.changed, committed.synced))
        files, _variables = self.read()
        self.assertEqual(ALL, set(files))

    def test_lost_answer_is_not_taken_for_a_failure(self):
        def lost(request, _context):
            body = json.loads(request.body)
            if body["name"] == "plan":
                self.mistral.environments["plan"] = json.loads(body["variables"])
                raise requests.exceptions.ConnectionError(request=request)

        self.mistral.on("POST", "/environments", lost)
        self.assertEqual(1, self.plans.create("plan", change()).revision)
        self.assert_in_line()

    def test_of_two_who_create_at_once_one_is_refused(self):
        self.somebody_is_faster({"template": "theirs"})
        self.assertRaises(exceptions.PlanExists, self.plans.create, "plan", change())
        self.assertEqual({"template": "theirs"}, self.variables)

    def test_the_one_who_is_refused_does_not_take_away_the_others_files(self):
        # They rendered the same templates, so their plan is of the same files.
        self.somebody_is_faster({"template": "overcloud.yaml", "rendered": MADE})
        self.assertRaises(exceptions.PlanExists, self.plans.create, "plan", change())
        self.assertLessEqual(set(FILES), set(self.objects))

    def somebody_is_faster(self, variables):
        def faster(request, _context):
            if json.loads(request.body)["name"] == "plan":
                self.mistral.environments["plan"] = variables

        self.mistral.on("POST", "/environments", faster)

    def test_while_somebody_else_creates_it_one_waits_or_is_refused(self):
        inner = []

        def at_once(_request, _context):
            if not inner:
                inner.append(True)
                inner.append(
                    self.assertRaises(
                        exceptions.PlanLocked, self.plans.create, "plan", change(user="late")
                    )
                )

        self.swift.on("PUT", "plan.revisions/files", at_once)
        self.plans.create("plan", change(user="early", reason="first"))
        self.assertEqual("early's tripleo.test", inner[1].owner)
        self.assertEqual("first", inner[1].reason)

    def test_rendered_plan_that_would_be_too_large_to_read_again_is_refused(self):
        self.set_options(plan_max_files=len(FILES) + 1)
        before = self.state()
        self.assertRaises(exceptions.LimitExceeded, self.plans.create, "plan", change())
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
        ({"capabilities-map.yaml": b"\xff\xfe"}, exceptions.YAMLInvalid, "capabilities-map.yaml"),
        ({"roles_data.yaml": b"\xff\xfe"}, exceptions.TripleOError, "roles_data.yaml"),
    )

    NO_ROOTS = (
        (
            {"capabilities-map.yaml": "root_template: overcloud.yaml"},
            exceptions.FileInvalid,
            "missing key: root_environment",
        ),
        ({"capabilities-map.yaml": None}, exceptions.FileNotInPlan, "capabilities-map.yaml"),
    )

    @ddt.data(*CASES, *NO_ROOTS)
    @ddt.unpack
    def test_plan_is_not_created(self, wrong, kind, words):
        self.write(wrong)
        before = self.state()
        error = self.assertRaises(kind, self.plans.create, "plan", change())
        self.assertIn(words, error.message)
        self.assertEqual(before, self.state())
        self.assertEqual([], self.changes())

    @ddt.data(*CASES)
    @ddt.unpack
    def test_plan_stays_as_it_was_when_updated(self, wrong, kind, words):
        self.made_plan()
        self.write(wrong)
        before = self.state()
        error = self.assertRaises(kind, self.plans.update, "plan", change())
        self.assertIn(words, error.message)
        self.assertEqual(before, self.state())
        self.assertEqual([], self.changes())

    @ddt.data(
        "template: overcloud.yaml\nenvironments: registry.yaml\n",
        "template: overcloud.yaml\nenvironments: [registry.yaml]\n",
        "template: ../overcloud.yaml\n",
        "template: overcloud.yaml\nparameter_defaults: [A]\n",
        "template: overcloud.yaml\npasswords: text\n",
        "template: overcloud.yaml\nparameter_defaults: {A: !!binary aGVsbG8=}\n",
        "template: overcloud.yaml\nparameter_defaults: {A: .nan}\n",
        "template: overcloud.yaml\nparameter_defaults: {A: !!set {x}}\n",
        "[]\n",
        "{",
    )
    def test_plan_environment_file_of_the_wrong_form_is_refused(self, text):
        self.write({"capabilities-map.yaml": None, "plan-environment.yaml": text})
        error = self.assertRaises(exceptions.TripleOError, self.plans.create, "plan", change())
        self.assertIn("environment", error.message)
        self.assertEqual([], self.changes())

    def write(self, files):
        for path, text in files.items():
            if text is None:
                del self.objects[path]
            else:
                self.objects[path] = text if isinstance(text, bytes) else text.encode()


class Update(WithPlans):
    def setUp(self):
        super().setUp()
        self.made_plan()

    def update(self, **more):
        return self.plans.update("plan", change(), **more)

    def test_chosen_environments_and_parameters_stay(self):
        self.variables["environments"].append({"path": "environments/ha.yaml"})
        self.variables["environments"].append({"data": {"parameter_defaults": {"A": 1}}})
        self.variables["parameter_defaults"] = {"B": 2}
        kept = copy.deepcopy(self.variables)
        self.update()
        for key in ("template", "environments", "parameter_defaults", "passwords"):
            self.assertEqual(kept[key], self.variables[key])

    def test_passwords_stay(self):
        self.objects["service.yaml"] = SERVICE.encode()
        self.update()
        made = dict(self.variables["passwords"])
        self.assertEqual(["AdminPassword"], list(made))
        self.objects["mine.yaml"] = b"{}"
        self.update()
        self.assertEqual(made, self.variables["passwords"])

    def test_new_roots_replace_the_old_ones_and_come_first(self):
        self.variables["environments"].append({"path": "environments/ha.yaml"})
        self.objects["capabilities-map.yaml"] = (
            b"root_template: main.yaml\nroot_environment: base.yaml\n"
        )
        self.objects["main.yaml"] = TEMPLATE.encode()
        self.objects["base.yaml"] = b"{}"
        self.update()
        self.assertEqual("main.yaml", self.variables["template"])
        self.assertEqual(
            [{"path": "base.yaml"}, {"path": "environments/ha.yaml"}],
            self.variables["environments"],
        )

    def test_root_environment_is_there_even_if_a_client_has_emptied_the_list(self):
        self.variables["environments"] = []
        self.update()
        self.assertEqual([{"path": "registry.yaml"}], self.variables["environments"])

    def test_files_that_rendering_makes_no_more_are_removed(self):
        self.objects["roles_data.yaml"] = b"- name: Controller\n"
        self.update()
        self.assertNotIn("compute-role.yaml", self.objects)
        self.assertIn("controller-role.yaml", self.objects)
        self.assertEqual(ALL - {"compute-role.yaml"}, set(self.objects))
        self.assertEqual(["Controller"], self.variables["roles"])

    def test_uploaded_file_of_that_name_is_never_taken_for_a_stale_one(self):
        self.objects["mine.yaml"] = b"{}"
        self.update()
        self.assertIn("mine.yaml", self.objects)

    def test_new_files_replace_all_that_the_plan_has(self):
        files = {**FILES, "roles_data.yaml": "- name: Compute\n", "new.yaml": "{}"}
        del files["environments/ha.yaml"]
        self.objects["mine.yaml"] = b"{}"
        self.update(files=encoded(files))
        made = set(MADE) - {"controller-role.yaml"}
        self.assertEqual({*files, *made, "plan-environment.yaml"}, set(self.objects))
        self.assert_in_line()

    def test_plan_environment_replaces_what_the_plan_has_of_it(self):
        self.set(A="a", B="b")
        self.update(plan_environment={"parameter_defaults": {"B": "c"}})
        self.assertEqual({"B": "c"}, self.variables["parameter_defaults"])
        self.assertEqual([{"path": "registry.yaml"}], self.variables["environments"])

    def test_update_without_a_change_writes_nothing(self):
        committed = self.update()
        self.assertEqual(
            (1, False, True), (committed.revision, committed.changed, committed.synced)
        )
        self.assertEqual([], self.changes())

    def test_unknown_plan_is_told_with_those_there_are(self):
        self.mistral.environments["ssh_keys"] = {}
        error = self.assertRaises(exceptions.PlanNotFound, self.plans.update, "other", change())
        self.assertEqual(["plan"], error.available)
        self.assertNotIn("other.lock", self.mistral.environments)


class Changing(WithPlans):
    def setUp(self):
        super().setUp()
        self.made_plan()

    def test_change_is_the_next_revision_and_says_what_it_was(self):
        committed = self.plans.change(
            "plan", change(user="eve", reason="because", execution="e1"), setting(A="a")
        )
        self.assertEqual((2, True, True), (committed.revision, committed.changed, committed.synced))
        record = self.plans.open("plan").archive.record(2)
        self.assertEqual(
            (2, "eve", "because", "tripleo.test", "e1"),
            tuple(record[k] for k in ("revision", "user", "reason", "action", "execution")),
        )
        self.assertEqual({"added": ["A"]}, record["what"]["parameter_defaults"])
        self.assertEqual({"A": "a"}, self.variables["parameter_defaults"])
        self.assert_in_line()

    def test_refused_change_leaves_the_plan_as_it_was(self):
        before = self.state()

        def refuse(_candidate):
            raise exceptions.ParametersInvalid([])

        self.assertRaises(
            exceptions.ParametersInvalid,
            self.plans.change,
            "plan",
            change(),
            setting(A="a"),
            refuse,
        )
        self.assertEqual(before, self.state())
        self.assertEqual([], self.changes())

    def test_change_that_changes_nothing_makes_no_revision(self):
        self.set(A="a")
        before = self.state()
        committed = self.set(A="a")
        self.assertEqual((2, False), (committed.revision, committed.changed))
        self.assertEqual(before, self.state())

    def test_secret_that_is_there_makes_no_revision_when_it_is_kept(self):
        self.set(Hidden="canary")
        before = self.state()
        self.assertFalse(self.commit().changed)
        self.assertEqual(before, self.state())

    def test_request_that_is_delivered_twice_makes_one_revision(self):
        def more(candidate):
            defaults = candidate.variables["parameter_defaults"]
            defaults["A"] = defaults.get("A", "") + "x"

        first = self.plans.change("plan", change(request="r1"), more)
        again = self.plans.change("plan", change(request="r1"), more)
        self.assertEqual(first, again)
        self.assertEqual({"A": "x"}, self.variables["parameter_defaults"])
        self.assertEqual(3, self.plans.change("plan", change(request="r2"), more).revision)

    def test_second_delivery_finishes_what_the_first_left(self):
        broken = [403]

        def breaks(_request, context):
            if broken:
                context.status_code = broken[0]
                return "x"
            return None

        self.swift.on("PUT", "/plan/", breaks)
        first = self.plans.change("plan", change(request="r1"), setting(A="a"))
        self.assertFalse(first.synced)
        broken.clear()
        again = self.plans.change("plan", change(request="r1"), setting(A="a"))
        self.assertEqual((2, True), (again.revision, again.synced))
        self.assert_in_line()

    def environment_is_written_while(self, times):
        """Let a client write the environment when a change is about to be committed."""
        left = list(range(times))

        def write(_request, _context):
            if left:
                left.pop()
                self.variables["parameter_defaults"] = {"B": f"theirs {len(left)}"}

        self.swift.on("PUT", "plan.revisions/revisions", write)

    def test_environment_that_is_written_meanwhile_is_not_overwritten(self):
        self.environment_is_written_while(2)
        self.set(A="a")
        self.assertEqual({"A": "a", "B": "theirs 0"}, self.variables["parameter_defaults"])
        self.assert_in_line()

    def test_change_that_is_overtaken_again_and_again_is_given_up(self):
        self.environment_is_written_while(99)
        self.assertRaises(exceptions.PlanChanged, self.set, A="a")
        self.assertEqual({"B": "theirs 96"}, self.variables["parameter_defaults"])
        self.assertEqual(1, self.variables["revision"])

    def test_whoever_has_lost_the_lock_does_not_commit(self):
        def take_over(_request, _context):
            self.mistral.environments["plan.lock"]["id"] = "theirs"

        self.swift.on("PUT", "plan.revisions/revisions", take_over)
        before = copy.deepcopy(self.variables)
        self.assertRaises(exceptions.PlanChanged, self.set, A="a")
        self.assertEqual(before, self.variables)
        self.assertEqual("theirs", self.mistral.environments["plan.lock"]["id"])

    def test_answer_that_is_lost_when_committing_is_not_taken_for_a_failure(self):
        def lost(request, _context):
            body = json.loads(request.body)
            if body["name"] == "plan":
                self.mistral.environments["plan"] = json.loads(body["variables"])
                raise requests.exceptions.ConnectionError(request=request)

        self.mistral.on("PUT", "/environments", lost)
        self.assertEqual(2, self.set(A="a").revision)
        self.assert_in_line()

    def test_plan_that_is_deleted_meanwhile_is_not_made_again(self):
        def delete(_request, _context):
            self.mistral.environments.pop("plan", None)

        self.swift.on("PUT", "plan.revisions/revisions", delete)
        self.assertRaises(exceptions.TripleOError, self.set, A="a")
        self.assertNotIn("plan", self.mistral.environments)

    def test_unchanged_plan_is_read_with_two_requests(self):
        self.plans.read("plan")
        self.forget()
        self.plans.read("plan")
        self.assertEqual(["GET /environments/plan"], self.mistral.requests)
        self.assertEqual(["GET /plan"], self.swift.requests)

    def test_process_that_knows_nothing_reads_one_object(self):
        self.start_executor()
        self.plans.read("plan")
        self.assertEqual(2, self.swift.count("GET"))
        self.assertEqual(0, sum(line.startswith("GET /plan/") for line in self.swift.requests))

    def test_change_of_a_parameter_touches_one_file(self):
        self.set(A="a")
        self.assertEqual(
            ["PUT /plan/plan-environment.yaml"],
            [line for line in self.changes() if line.startswith("PUT /plan/")],
        )


class DirectWrites(WithPlans):
    """What clients write to container and environment is part of the plan."""

    def test_changed_added_and_deleted_objects_count_and_become_a_revision(self):
        self.made_plan()
        self.objects["environments/ha.yaml"] = b"parameter_defaults: {ControllerCount: 5}\n"
        self.objects["mine.yaml"] = b"{}"
        del self.objects["role.role.j2.yaml"]
        self.objects["registry.j2.yaml"] = b"resource_registry: {}\n"
        state = self.plans.read("plan")
        self.assertEqual(
            ["environments/ha.yaml", "mine.yaml", "registry.j2.yaml", "role.role.j2.yaml"],
            state.direct,
        )
        self.assertEqual(b"{}", state.files.contents["mine.yaml"])
        self.assertNotIn("role.role.j2.yaml", state.files.contents)
        self.assertFalse(state.is_committed)
        self.assertEqual(2, self.commit().revision)
        files, _variables = self.read()
        self.assertIn(b"ControllerCount: 5", files["environments/ha.yaml"])
        self.assertEqual(b"{}", files["mine.yaml"])
        self.assertNotIn("role.role.j2.yaml", files)
        self.assertNotIn("compute-role.yaml", self.objects)
        self.assert_in_line()

    def test_only_what_was_written_is_read_of_the_container(self):
        self.made_plan()
        self.objects["mine.yaml"] = b"{}"
        self.start_executor()
        self.plans.read("plan")
        reads = [line for line in self.swift.requests if line.startswith("GET /plan/")]
        self.assertEqual(["GET /plan/mine.yaml"], reads)

    def test_sync_leaves_direct_writes_alone(self):
        self.made_plan()
        self.objects["environments/ha.yaml"] = b"parameter_defaults: {A: theirs}\n"
        del self.objects["role.role.j2.yaml"]
        before = dict(self.objects)
        self.sync()
        self.assertEqual(before, self.objects)

    def test_they_count_while_the_container_is_not_yet_in_line(self):
        self.useFixture(fixtures.MockPatchObject(store, "AT_ONCE", 0))
        self.swift.containers.clear()
        self.plans.create("plan", change(), files=encoded(FILES), sync=False)
        self.assertNotIn("environments/ha.yaml", self.objects)
        self.assertIn("overcloud.yaml", self.objects)
        self.assertEqual([], self.plans.read("plan").direct)
        self.objects["environments/ha.yaml"] = b"parameter_defaults: {A: theirs}\n"
        self.objects["mine.yaml"] = b"{}"
        self.assertEqual(["environments/ha.yaml", "mine.yaml"], self.plans.read("plan").direct)
        self.sync()
        self.assertEqual(b"{}", self.objects["mine.yaml"])
        self.assertIn("role.role.j2.yaml", self.objects)
        self.commit()
        files, _variables = self.read()
        self.assertEqual(b"parameter_defaults: {A: theirs}\n", files["environments/ha.yaml"])
        self.assertEqual(b"{}", files["mine.yaml"])
        self.assert_in_line()

    def test_deletion_counts_while_the_container_is_not_yet_in_line(self):
        self.made_plan()
        self.swift.fail("PUT", "/plan/", 403)
        self.assertFalse(self.set(A="a").synced)
        self.swift._hooks.clear()
        del self.objects["environments/ha.yaml"]
        self.assertEqual(["environments/ha.yaml"], self.plans.read("plan").direct)
        self.sync()
        self.assertNotIn("environments/ha.yaml", self.objects)
        self.commit()
        self.assertNotIn("environments/ha.yaml", self.read()[0])
        self.assert_in_line()

    def test_plan_is_whole_before_its_container_is(self):
        self.useFixture(fixtures.MockPatchObject(store, "AT_ONCE", 0))
        self.swift.containers.clear()
        committed = self.plans.create("plan", change(), files=encoded(FILES), sync=False)
        self.assertFalse(committed.synced)
        files, _variables = self.read()
        self.assertEqual(ALL, set(files))
        self.assertEqual(2, self.set(A="a").revision)
        self.assertEqual(ALL, set(self.objects))
        self.assert_in_line()

    def test_large_container_is_brought_into_line_in_slices_that_let_others_in(self):
        self.swift.containers.clear()
        files = {**encoded(FILES), **{f"e/f{n}": b"%d" % n for n in range(450)}}
        self.plans.create("plan", change(), files=files, sync=False)
        self.forget()
        self.sync()
        slices = -(-(450 + len(ALL)) // site.SLICE)
        self.assertEqual(slices, self.mistral.requests.count("DELETE /environments/plan.lock"))
        self.assert_in_line()

    def test_rendered_file_that_somebody_changed_is_put_right(self):
        self.made_plan()
        self.objects["overcloud.yaml"] = b"broken"
        self.commit()
        self.assertIn(b"Compute: {type", self.objects["overcloud.yaml"])
        self.assert_in_line()

    def test_environment_that_a_client_changed_becomes_a_revision(self):
        self.made_plan()
        self.variables["parameter_defaults"] = {"A": "theirs"}
        state = self.plans.read("plan")
        self.assertTrue(state.environment_written)
        self.assertFalse(state.is_committed)
        committed = self.set(B="ours")
        self.assertEqual(2, committed.revision)
        self.assertEqual({"A": "theirs", "B": "ours"}, self.variables["parameter_defaults"])
        self.assertIn(b"theirs", self.objects["plan-environment.yaml"])

    def test_environment_that_a_client_replaced_is_still_that_plans(self):
        self.made_plan()
        self.set(A="a")
        self.objects["mine.yaml"] = b"{}"
        self.mistral.environments["plan"] = {
            "template": "overcloud.yaml",
            "environments": [{"path": "registry.yaml"}],
            "parameter_defaults": {"B": "theirs"},
        }
        state = self.plans.read("plan")
        self.assertEqual((2, ["mine.yaml"]), (state.revision, state.direct))
        self.assertTrue(state.environment_written)
        self.assertEqual(3, self.commit().revision)
        self.assertEqual({"B": "theirs"}, self.variables["parameter_defaults"])
        self.assertEqual(b"{}", self.read()[0]["mine.yaml"])
        self.assert_in_line()

    def test_plan_that_only_clients_have_written_becomes_revision_one(self):
        self.mistral.environments["plan"] = {
            "template": "overcloud.yaml",
            "environments": [{"path": "registry.yaml"}],
        }
        self.assertEqual(0, self.plans.read("plan").revision)
        self.assertEqual(1, self.commit().revision)
        self.assertEqual(ALL, set(self.objects))
        self.assert_in_line()

    def test_clients_plan_environment_file_counts(self):
        self.made_plan()
        self.set(A="a", Hidden="canary-h")
        self.write_plan_environment()
        self.assertEqual(3, self.commit().revision)
        self.check_plan_environment()

    def test_clients_plan_environment_file_counts_before_the_container_is_in_line(self):
        self.swift.containers.clear()
        self.plans.create("plan", change(), files=encoded(FILES), sync=False)
        self.swift.fail("PUT", "/plan/", 403)
        self.set(A="a", Hidden="canary-h")
        self.swift._hooks.clear()
        self.write_plan_environment()
        self.sync()
        self.assertEqual(3, self.commit().revision)
        self.check_plan_environment()

    def write_plan_environment(self):
        self.objects["plan-environment.yaml"] = (
            b"version: 1.0\nname: plan\ntemplate: overcloud.yaml\n"
            b"environments: [{path: registry.yaml}, {path: environments/ha.yaml}]\n"
            b"parameter_defaults: {B: theirs}\npasswords: {P: canary-p}\n"
        )

    def check_plan_environment(self):
        self.assertEqual(
            ["registry.yaml", "environments/ha.yaml"],
            [item["path"] for item in self.variables["environments"]],
        )
        defaults = self.variables["parameter_defaults"]
        self.assertEqual(("theirs", {"B", "Hidden"}), (defaults["B"], set(defaults)))
        vault = secrets.Vault.from_options()
        self.assertEqual("canary-h", vault.decrypt(defaults["Hidden"], "x"))
        self.assertEqual("canary-p", vault.decrypt(self.variables["passwords"]["P"], "x"))
        self.assertNotIn(b"canary", self.objects["plan-environment.yaml"])
        self.assertNotIn(b"encrypted:", self.objects["plan-environment.yaml"])
        self.assert_in_line()


class Secrets(WithPlans):
    """No secret is stored in clear, whichever way it came in."""

    def assert_nowhere(self):
        for service in (self.swift, self.mistral):
            kept = service.containers if service is self.swift else service.environments
            self.assertNotIn("canary", str(kept))
        for path in self.archived:
            if path.endswith(".tar.gz"):
                files = self.plans.open("plan").archive.files(path[6:-7], 0).contents
                self.assertNotIn("canary", str(files))
        self.assertNotRegex(self.log.output, "canary-[0-9]")

    def test_hidden_parameters_and_passwords(self):
        self.objects["service.yaml"] = SERVICE.encode()
        self.cloud.heat.add("plan", "CREATE_COMPLETE", environment={"AdminPassword": "canary-1"})
        self.made_plan()
        self.set(Hidden="canary-2", A="shown")
        self.assert_nowhere()
        vault = secrets.Vault.from_options()
        stored = self.variables["parameter_defaults"]["Hidden"]
        self.assertEqual("canary-2", vault.decrypt(stored, "Hidden"))
        self.assertEqual("shown", self.variables["parameter_defaults"]["A"])

    def test_what_clients_wrote_in_clear_is_encrypted_with_the_next_revision(self):
        self.made_plan()
        inline = {
            "parameter_defaults": {"Hidden": "canary-3", "A": "shown"},
            "parameters": {"Hidden": "canary-4", "B": "shown"},
        }
        self.variables["environments"].append({"data": inline})
        self.variables["parameter_defaults"]["Hidden"] = "canary-5"
        self.variables["passwords"]["Whatever"] = "canary-6"
        self.commit()
        self.assert_nowhere()
        data = self.variables["environments"][1]["data"]
        self.assertEqual("shown", data["parameter_defaults"]["A"])
        self.assertEqual("shown", data["parameters"]["B"])

    def test_heat_is_given_them_in_clear(self):
        self.made_plan()
        self.set(Hidden="canary-1")
        self.variables["environments"].append(
            {"data": {"parameters": {"Hidden": "canary-2"}, "parameter_defaults": {"A": "x"}}}
        )
        self.commit()
        given = self.plans.heat_input(self.plans.candidate(self.plans.read("plan")))
        text = str(given.files)
        self.assertIn("canary-1", text)
        self.assertIn("canary-2", text)
        self.assertNotIn("encrypted:", text)

    def test_without_keys_no_secret_is_stored(self):
        self.made_plan()
        self.set_options(encryption_keys_file=None)
        before = self.state()
        self.assertRaises(exceptions.EncryptionKeyMissing, self.set, Hidden="canary")
        self.assertEqual(before, self.state())
        self.assertEqual(2, self.set(A="no secret").revision)


class Delete(WithPlans):
    def setUp(self):
        super().setUp()
        self.made_plan()

    def delete(self, name="plan"):
        self.plans.delete(name, change())

    def test_everything_of_the_plan_goes_and_nothing_else(self):
        self.swift.containers["other"] = {"a": b"1"}
        self.mistral.environments["other"] = {}
        self.delete()
        self.assertEqual(({"other": {"a": b"1"}}, {"other": {}}), self.state())

    def test_unknown_plan_is_told_with_those_there_are(self):
        error = self.assertRaises(exceptions.PlanNotFound, self.delete, "other")
        self.assertEqual(["plan"], error.available)

    def test_plan_that_is_being_changed_is_not_deleted(self):
        self.mistral.environments["plan.lock"] = {"id": "x", "expires": "2999-01-01T00:00:00+00:00"}
        before = self.state()
        self.assertRaises(exceptions.PlanLocked, self.delete)
        self.assertEqual(before, self.state())

    def test_half_made_plan_without_environment_can_be_deleted(self):
        del self.mistral.environments["plan"]
        self.swift.metadata["plan"] = {"x-container-meta-usage-tripleo": "plan"}
        self.delete()
        self.assertEqual(({}, {}), self.state())

    def test_archive_that_is_left_alone_can_be_deleted(self):
        del self.mistral.environments["plan"]
        del self.swift.containers["plan"]
        self.delete()
        self.assertEqual(({}, {}), self.state())

    def test_container_that_is_no_plan_is_not_deleted(self):
        self.swift.containers["data"] = {"a": b"1"}
        self.assertRaises(exceptions.PlanNotFound, self.delete, "data")
        self.assertEqual({"a": b"1"}, self.swift.containers["data"])

    def test_half_deleted_plan_without_container_can_be_deleted(self):
        del self.swift.containers["plan"]
        self.delete()
        self.assertEqual(({}, {}), self.state())

    def test_deletion_that_broke_off_can_be_repeated(self):
        broken = [True]

        def breaks(_request, context):
            if broken:
                context.status_code = 500
                broken.clear()
                return '{"faultstring": "no"}'
            return None

        self.mistral.on("DELETE", "/environments/plan$", breaks)
        self.assertRaises(mistral_base.APIException, self.delete)
        self.delete()
        self.assertEqual(({}, {}), self.state())


class Process(WithPlans):
    def setUp(self):
        super().setUp()
        self.made_plan()

    def process(self):
        return self.plans.process("plan", change())

    def test_only_what_changed_is_stored(self):
        self.objects["role.role.j2.yaml"] = (TEMPLATE + "# new {{role}}\n").encode()
        self.process()
        self.assertEqual(
            ["PUT /plan/compute-role.yaml", "PUT /plan/controller-role.yaml"],
            sorted(line for line in self.changes() if line.startswith("PUT /plan/")),
        )
        self.assertIn(b"new Compute", self.objects["compute-role.yaml"])

    def test_plan_without_a_change_is_not_written_at_all(self):
        committed, candidate = self.process()
        self.assertEqual([], self.changes())
        self.assertEqual((1, False), (committed.revision, committed.changed))
        self.assertEqual(MADE, candidate.variables["rendered"])
        self.assertEqual("overcloud.yaml", candidate.variables["template"])

    def test_stale_files_are_removed_and_remembered_no_more(self):
        self.objects["roles_data.yaml"] = b"- name: Controller\n"
        self.process()
        self.assertNotIn("compute-role.yaml", self.objects)
        self.assertNotIn("compute-role.yaml", self.variables["rendered"])

    def test_wrong_template_stores_nothing(self):
        self.objects["overcloud.j2.yaml"] = b"{{ nope }}"
        before = self.state()
        self.assertRaises(exceptions.TemplateInvalid, self.process)
        self.assertEqual(before, self.state())

    def test_plan_whose_container_has_gone_is_told(self):
        del self.swift.containers["plan"]
        self.assertRaises(exceptions.ContainerNotFound, self.process)

    def test_plan_is_known_when_mistral_delivers_it_again_too(self):
        self.objects["mine.yaml"] = b"{}"
        first, _candidate = self.plans.process("plan", change(request="r1"))
        again, candidate = self.plans.process("plan", change(request="r1"))
        self.assertEqual((2, 2), (first.revision, again.revision))
        self.assertIn("mine.yaml", candidate.files)


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
        {"environments": [{"data": {"parameter_defaults": ["A"]}}]},
        {"environments": [{"data": {"parameters": ["A"]}}]},
        {"environments": [{"data": {"resource_registry": {"A": "../x.yaml"}}}]},
        {"environments": [{"data": {"resource_registry": {"A": "/etc/passwd.yaml"}}}]},
        {"template": None},
        {"template": "/etc/passwd"},
        {"template": ["overcloud.yaml"]},
        {"parameter_defaults": ["A"]},
        {"parameter_defaults": "text"},
        {"parameter_defaults": {"A": "encrypted:no token"}},
        {"parameter_defaults": {"A": float("nan")}},
        {"passwords": "text"},
        {"passwords": {"P": "encrypted:\u00e4"}},
        {"files": "../x", "revision": 7},
        {"revision": -1},
        {"files": "nothing"},
    )
    def test_environment_of_the_wrong_form_is_a_typed_error(self, wrong):
        self.made_plan()
        self.variables.update(wrong)
        # In line, the container stands in for files that cannot be found.
        self.swift.metadata["plan"][container.REVISION_HEADER] = "0"
        self.start_executor()
        self.assertRaises(exceptions.TripleOError, self.plans.process, "plan", change())
        self.assertEqual([], self.changes())

    @ddt.data(
        {},
        {"environments": None, "parameter_defaults": None, "passwords": None},
        {"rendered": [["x"], 5, {}, None], "root_environment": ["x"], "roles": 5},
        {"rendered": {"a": 1}, "capabilities": "x"},
        {"revision": "1", "files": 5, "digest": [], "request": {}},
        {"revision": True, "files": None},
    )
    def test_environment_of_an_older_client_does(self, variables):
        self.made_plan()
        self.mistral.environments["plan"] = {
            "template": "overcloud.yaml",
            "environments": [{"path": "registry.yaml"}],
            **variables,
        }
        _committed, candidate = self.plans.process("plan", change())
        self.assertLessEqual(set(MADE), set(candidate.files))
        self.plans.update("plan", change())
        self.assertEqual(MADE, self.variables["rendered"])


@ddt.ddt
class Names(WithPlans):
    @ddt.data("../x", "a/b", "", "1a", "plan\n", "plan.lock", None, 5, "x" * 65)
    def test_name_is_checked_before_any_request(self, name):
        for function, *more in (
            (self.plans.create_container,),
            (self.plans.upload,),
            (self.plans.create, change()),
            (self.plans.update, change()),
            (self.plans.delete, change()),
            (self.plans.process, change()),
            (self.plans.read,),
            (self.plans.change, change(), nothing),
        ):
            self.assertRaises(exceptions.PlanNameInvalid, function, name, *more)
        self.assertEqual([], self.cloud.http.request_history)

    def test_plan_has_a_container_and_an_environment(self):
        self.swift.containers = {"b": {}, "a": {}, "a.revisions": {}, "images": {}}
        self.mistral.environments = {"a": {}, "b": {}, "a.lock": {}, "ssh_keys": {}}
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


class HeatInput(WithPlans):
    """What wins over what."""

    def merged(self, variables, parameters=None):
        texts = {
            "t.yaml": TEMPLATE,
            "e1.yaml": "parameter_defaults: {A: e1, B: e1}\n",
            "e2.yaml": "parameter_defaults: {A: e2}\n",
        }
        vault = secrets.Vault.from_options()
        given = candidates.heat_input(texts, {"template": "t.yaml", **variables}, vault, parameters)
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

    def test_encrypted_values_are_opened_wherever_they_stand(self):
        closed = secrets.Vault.from_options().encrypt("clear")
        variables = {
            "environments": [{"data": {"parameter_defaults": {"A": closed}}}],
            "passwords": {"B": closed},
            "parameter_defaults": {"C": closed},
        }
        self.assertEqual(dict.fromkeys("ABC", "clear"), self.merged(variables))


class Unreachable(WithPlans):
    def test_swift_that_does_not_answer_is_not_taken_for_an_absent_plan(self):
        self.made_plan()
        before = self.state()

        def down(request, _context):
            raise requests.exceptions.ConnectionError(request=request)

        self.swift.on("GET", "/plan", down)
        self.assertRaises(requests.exceptions.ConnectionError, self.commit)
        self.assertEqual(before, self.state())


class DeletedInUse(WithPlans):
    def test_what_is_against_it_is_asked_when_the_plan_is_locked(self):
        self.made_plan()

        def check(site):
            self.assertEqual(self.cloud.heat.url, site.cloud.endpoint("orchestration"))
            self.assertIn("plan.lock", self.mistral.environments)
            raise exceptions.StackInUse("plan", "1", "CREATE_IN_PROGRESS", "regionOne")

        before = self.state()
        self.assertRaises(exceptions.StackInUse, self.plans.delete, "plan", change(), check)
        self.assertEqual(before, self.state())


class AtOnce(WithPlans):
    def test_a_small_plans_container_shows_all_when_its_creation_ends(self):
        committed = self.plans.create("plan", change(), sync=False)
        self.assertTrue(committed.synced)
        self.assert_in_line()

    def test_a_large_ones_does_not(self):
        self.useFixture(fixtures.MockPatchObject(store, "AT_ONCE", len(MADE) - 1))
        self.assertFalse(self.plans.create("plan", change(), sync=False).synced)


class Scans(WithPlans):
    def test_a_process_that_has_read_nothing_takes_over_what_another_found(self):
        self.made_plan()
        self.assertTrue([path for path in self.archived if path.startswith("answers/scans-")])
        self.start_executor()
        candidate = self.plans.candidate(self.plans.read("plan"))
        self.assertEqual(0, candidate.given.fresh)

    def test_a_process_that_knows_the_templates_of_another_plan_keeps_them_for_this_one(self):
        self.made_plan()
        self.swift.containers["second"] = dict(encoded(FILES))
        self.plans.create("second", change(action="tripleo.plan.create"))
        archived = self.swift.containers["second.revisions"]
        self.assertTrue([path for path in archived if path.startswith("answers/scans-")])

    def test_a_change_of_settings_stores_nothing_of_the_templates(self):
        self.made_plan()
        before = {path for path in self.archived if path.startswith("answers/scans-")}
        requests = len(self.swift.sent)

        def edit(candidate):
            candidate.variables["parameter_defaults"] = {"A": "x"}

        self.plans.change("plan", change(), edit)
        written = [r for r in self.swift.sent[requests:] if r.method == "PUT"]
        self.assertEqual([], [r.url for r in written if "scans-" in r.url])
        self.assertEqual(before, {p for p in self.archived if p.startswith("answers/scans-")})

    def test_a_damaged_or_lost_answer_is_made_up_for(self):
        self.made_plan()
        whole = self.plans.candidate(self.plans.read("plan")).given
        for path in [path for path in self.archived if path.startswith("answers/scans-")]:
            self.archived[path] = b"damaged"
        self.start_executor()
        found = self.plans.candidate(self.plans.read("plan")).given
        self.assertEqual((whole.template, whole.files), (found.template, found.files))
        self.assertGreater(found.fresh, 0)
        # And is there again for the next.
        self.start_executor()
        self.assertEqual(0, self.plans.candidate(self.plans.read("plan")).given.fresh)

    def test_no_inline_environment_is_kept(self):
        self.made_plan()
        secret = "canary-inline-33f1"
        self.variables["environments"].append({"data": {"parameter_defaults": {"Hidden": secret}}})
        self.objects["registry.j2.yaml"] += b"# changed\n"
        self.plans.change("plan", change(), lambda _: None)
        for content in self.archived.values():
            for text in (content, *unpacked(content)):
                self.assertNotIn(secret.encode(), text)


def unpacked(content):
    """Return what a compressed object holds."""
    return [gzip.decompress(content)] if content.startswith(b"\x1f\x8b") else []
