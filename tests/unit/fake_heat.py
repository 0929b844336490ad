"""A plan with parameters of every kind, a Heat that validates it, and a bare metal service.

What the tests of a plan's configuration share.
"""

import copy
import gzip
import io
import json
import re
import tarfile

import fixtures
import requests_mock
import yaml
from cryptography import fernet

from tests.unit import base, fakes
from tripleo_common.plan import changes, plans, render

TEMPLATE = "heat_template_version: 2021-04-16\n"

ROOT = """heat_template_version: 2021-04-16
parameters:
{% for role in roles %}
  {{role.name}}Count:
    type: number
    default: {{role.CountDefault|default(0)}}
    constraints: [{range: {min: 0, max: 100}}]
  Overcloud{{role.name}}Flavor:
    type: string
    default: baremetal
{% endfor %}
  AdminPassword:
    type: string
    hidden: true
  LicenseKey:
    type: string
    hidden: true
    default: ''
    constraints: [{length: {min: 0, max: 60}}]
  Debug:
    type: boolean
    default: false
  Options:
    type: json
    default: {}
  Servers:
    type: comma_delimited_list
    default: []
  Zone:
    type: string
    default: here
    constraints: [{allowed_values: [here, there]}]
resources:
{% for role in roles %}
  {{role.name}}:
    type: OS::Heat::ResourceGroup
    properties: {resource_def: {type: OS::TripleO::{{role.name}}}}
{% endfor %}
"""

REGISTRY = """resource_registry:
{% for role in roles %}
  OS::TripleO::{{role.name}}: {{role.name|lower}}-role.yaml
{% endfor %}
  OS::TripleO::Services::Ntp: OS::Heat::None
  OS::TripleO::Services::Telemetry: OS::Heat::None
parameter_defaults: {Zone: there}
"""

MAP = """root_template: overcloud.yaml
root_environment: registry.yaml
topics:
  - title: Base
    description: What it stands on
    environment_groups:
      - title: Network
        mutually_exclusive: true
        environments:
          - {file: environments/flat.yaml, title: Flat}
          - {file: environments/vlan.yaml, title: VLAN}
      - title: Telemetry
        environments:
          - file: environments/telemetry.yaml
            requires: [environments/vlan.yaml]
"""

FILES = {
    "overcloud.j2.yaml": ROOT,
    "registry.j2.yaml": REGISTRY,
    "role.role.j2.yaml": TEMPLATE + "# {{role}}\nresources: {}\n",
    "roles_data.yaml": (
        "- name: Controller\n  CountDefault: 1\n  tags: [primary]\n"
        "  ServicesDefault: [OS::TripleO::Services::Ntp]\n"
        "- name: Compute\n  CountDefault: 2\n"
    ),
    "roles/Controller.yaml": "- name: Controller\n  description: From the directory\n",
    "roles/Storage.yaml": "- name: Storage\n  ServicesDefault: [OS::TripleO::Services::Ntp]\n",
    "roles/Broken.yaml": (
        "- name: Broken\n  CountDefault: many\n"
        "  ServicesDefault: [OS::TripleO::Services::Nothing, OS::TripleO::Services::Nowhere]\n"
    ),
    "capabilities-map.yaml": MAP,
    "environments/flat.yaml": "parameter_defaults: {Debug: true}\n",
    "environments/vlan.yaml": "parameter_defaults: {}\n",
    "environments/telemetry.yaml": (
        "resource_registry: {OS::TripleO::Services::Telemetry: ../telemetry.yaml}\n"
    ),
    "environments/extra.yaml": "parameter_defaults: {}\n",
    "telemetry.yaml": TEMPLATE
    + "parameters:\n  TelemetryInterval:\n    type: number\n    default: 10\nresources: {}\n",
    "logo.png": b"\x89PNG\xff\x00",
}
"""Binary content is bytes already."""


KEY = fernet.Fernet.generate_key().decode()

MADE = {}
"""What a plan of some files has become, by the files' identity."""


def encoded(files):
    return {p: text if isinstance(text, bytes) else text.encode() for p, text in files.items()}


def validate(body):
    """Answer as Heat does to a validation with nested templates: values in clear.

    :param body: what was sent.
    """
    template = yaml.load(body["template"], yaml.CSafeLoader)
    merged = {"parameter_defaults": {}, "resource_registry": {}}
    for name in body["environment_files"]:
        document = yaml.load(body["files"][name], yaml.CSafeLoader) or {}
        for key, found in merged.items():
            found.update(document.get(key) or {})
    values = merged["parameter_defaults"]
    parameters = {}
    for name, schema in (template.get("parameters") or {}).items():
        said = {
            "Type": schema["type"].title(),
            "Description": schema.get("description", ""),
            "NoEcho": str(bool(schema.get("hidden"))).lower(),
            "Label": name,
        }
        if "default" in schema:
            said["Default"] = schema["default"]
        if name in values:
            said["Value"] = values[name]
        parameters[name] = said
    nested = {
        name: {"Type": resource["type"], "Description": "", "Parameters": {}}
        for name, resource in (template.get("resources") or {}).items()
    }
    for number in nested.values():
        # What is hidden above is handed on below, where it is not.
        if "AdminPassword" in values:
            number["Parameters"]["given"] = {"Type": "String", "Value": values["AdminPassword"]}
    return {
        "Description": "No description",
        "Parameters": parameters,
        "NestedParameters": nested,
        "Environment": {
            "parameters": {},
            "parameter_defaults": copy.deepcopy(values),
            "resource_registry": merged["resource_registry"],
        },
    }


class Cloud(fakes.Cloud):
    """A cloud that also has bare metal and, if asked for, Compute.

    :ivar nodes: what Ironic lists.
    :ivar flavors: what Nova lists; None if there is no Nova.
    """

    flavors = None
    nodes = ()

    def _setUp(self):
        super()._setUp()
        self.http.register_uri(
            requests_mock.ANY,
            re.compile(r"^http://ironic\.test:6385/"),
            json=lambda _request, _context: {"nodes": list(self.nodes)},
            headers={
                "Content-Type": "application/json",
                "X-OpenStack-Ironic-API-Minimum-Version": "1.1",
                "X-OpenStack-Ironic-API-Maximum-Version": "1.80",
            },
        )
        self.http.register_uri(
            requests_mock.ANY,
            re.compile(r"^http://nova\.test:8774/"),
            json=lambda _request, _context: {"flavors": list(self.flavors)},
        )

    def token(self):
        token = super().token()
        token.add_service("baremetal", "ironic").add_standard_endpoints(
            public="http://ironic.test:6385", region=self.regions[0]
        )
        if self.flavors is not None:
            token.add_service("compute", "nova").add_standard_endpoints(
                public="http://nova.test:8774/v2.1", region=self.regions[0]
            )
        return token

    def tag(self, *profiles):
        """Let Ironic list one node for each profile."""
        self.nodes = [
            {"uuid": str(n), "properties": {"capabilities": f"boot_option:local,profile:{profile}"}}
            for n, profile in enumerate(profiles)
        ]


class WithPlan(base.TestCase):
    """A plan "plan" in a fake cloud; rendering is done in this process.

    :ivar plans: the plans of the cloud.
    """

    FILES = FILES
    CLOUD = Cloud

    def setUp(self):
        super().setUp()
        self.start_executor()
        self.use_keys(KEY)
        # Threads, and keys of passphrases, take more time than all the rest.
        self.set_options(transfer_threads=1)
        cheap = {"n": 2**14, "r": 8, "p": 1}
        self.useFixture(fixtures.MonkeyPatch("tripleo_common.plan.secrets._SCRYPT", cheap))
        self.useFixture(fixtures.MonkeyPatch("tripleo_common.plan.rendering.run", render.render))
        self.cloud = self.useFixture(self.CLOUD())
        self.swift, self.mistral, self.heat = (
            self.cloud.swift,
            self.cloud.mistral,
            self.cloud.heat,
        )
        self.refusal = None
        self.heat.on("POST", r"^/validate", self._validate)
        self.heat.on("GET", r"^/stacks/[^/]+/environment", self._environment)
        self.stack_environments = {}
        self.open()

    def open(self, **more):
        self.plans = plans.Plans(self.cloud.reach(**more))

    def make_plan(self, *, anew=False):
        """Make the plan; unless it is to be made anew, it is a copy of the first one."""
        places = (self.swift.containers, self.swift.metadata, self.mistral.environments)
        key = id(self.FILES)
        if anew or key not in MADE:
            files = encoded(self.FILES)
            self.plans.create("plan", self.change("tripleo.plan.create"), files=files)
            if not anew:
                MADE[key] = copy.deepcopy(places)
        else:
            for place, content in zip(places, copy.deepcopy(MADE[key]), strict=True):
                place.update(content)
        self.forget()

    def change(self, action="tripleo.test", **more):
        """Return a change of its own request."""
        return changes.Change(action=action, user="admin", **more)

    def edit(self, edit, **more):
        """Commit what a function does with the candidate."""
        return self.plans.change("plan", self.change(**more), edit)

    def write(self, path, content):
        """Write a file of the plan with a commit."""

        def edit(candidate_):
            candidate_.files[path] = content if isinstance(content, bytes) else content.encode()

        return self.edit(edit)

    def forget(self):
        for service in (self.swift, self.mistral, self.heat):
            service.requests.clear()
            service.sent.clear()

    @property
    def asked(self):
        """How often Heat was asked to validate."""
        return sum(line == "POST /validate" for line in self.heat.requests)

    @property
    def variables(self):
        return self.mistral.environments["plan"]

    @property
    def objects(self):
        return self.swift.containers["plan"]

    def revision(self):
        return self.plans.read("plan").revision

    def state(self):
        """Return all that is stored of the plan, but for answers and results."""
        containers = {
            name: {
                path: content
                for path, content in objects.items()
                if not path.startswith(("answers/", "results/"))
            }
            for name, objects in self.swift.containers.items()
        }
        return copy.deepcopy((containers, self.mistral.environments))

    def stored(self):
        """Return everything that any service has stored, tarballs and answers unpacked."""
        found = [json.dumps(self.mistral.environments)]
        for objects in self.swift.containers.values():
            for path, content in objects.items():
                found.append(path)
                found.append(_unpacked(content))
        return "\n".join(found)

    def given(self):
        """Return the values that Heat would be given for the plan as it is now."""
        finished = self.plans.candidate(self.plans.read("plan"))
        merged = {}
        for name in finished.given.environment_files:
            document = yaml.load(finished.given.files[name], yaml.CSafeLoader) or {}
            merged.update(document.get("parameter_defaults") or {})
        return merged

    def _validate(self, request, context):
        if self.refusal:
            context.status_code = 400
            return json.dumps(
                {"code": 400, "error": {"message": self.refusal, "type": "X", "traceback": None}}
            )
        context.headers["Content-Type"] = "application/json"
        return json.dumps(validate(json.loads(request.body)))

    def _environment(self, request, context):
        plan = request.url.rpartition("/stacks/")[2].split("/")[0]
        if plan not in self.stack_environments:
            context.status_code = 404
            return json.dumps({"code": 404, "error": {"message": "no", "type": "EntityNotFound"}})
        context.headers["Content-Type"] = "application/json"
        return json.dumps(self.stack_environments[plan])


def _unpacked(content):
    if not content.startswith(b"\x1f\x8b"):
        return content.decode("utf-8", "replace")
    plain = gzip.decompress(content)
    try:
        with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
            return "\n".join(
                archive.extractfile(member).read().decode("utf-8", "replace")
                for member in archive
                if member.isfile()
            )
    except tarfile.TarError:
        return plain.decode("utf-8", "replace")
