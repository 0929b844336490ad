"""Creating, reading, changing and deleting plans."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from pathlib import Path
from typing import Any

from tripleo_common import clouds, config, exceptions
from tripleo_common.plan import (
    container,
    environment,
    names,
    references,
    render,
    roles,
    tarball,
    yaml_files,
)

LOG = logging.getLogger(__name__)

CAPABILITIES_FILE = "capabilities-map.yaml"
PLAN_ENVIRONMENT_FILE = "plan-environment.yaml"


@dataclasses.dataclass(frozen=True)
class Rendered:
    """A plan with its templates rendered, nothing stored yet.

    :ivar listing: what the container holds.
    :ivar files: path to content of all text files, rendered ones included.
    :ivar made: the paths that rendering made.
    :ivar replaced: path to content of those files of the container that rendering makes anew.
    """

    listing: dict[str, container.Object]
    files: dict[str, str]
    made: list[str]
    replaced: dict[str, str] = dataclasses.field(default_factory=dict)


class Plans:
    """The plans of a project.

    :ivar home: the cloud whose Mistral holds the plan environments: that of the request.
    :ivar cloud: the cloud and region that holds the containers.
    """

    def __init__(self, home: clouds.Cloud, cloud: clouds.Cloud) -> None:
        """Keep the clouds; no request is made."""
        self.home = home
        self.cloud = cloud

    def names(self) -> list[str]:
        """Return the sorted names of all plans, with two requests however many there are."""
        return sorted(container.names(self.cloud).intersection(environment.names(self.home)))

    def create_container(self, plan: str) -> None:
        """Make the empty container that a plan's templates are then uploaded to.

        :raises PlanNameInvalid: the name cannot be a plan's.
        :raises PlanExists: the container, or an environment of that name, is there already.
        """
        names.check_plan(plan)
        if environment.exists(self.home, plan):
            raise exceptions.PlanExists(plan, "Mistral environment")
        container.Container(self.cloud, plan).create()

    def upload(self, plan: str, templates_path: str | None = None) -> int:
        """Put templates from the executor's disk into a plan's container.

        :param templates_path: a directory or tarball; the default plan if None.
        :returns: how many files.
        :raises ContainerNotFound: there is no such container.
        :raises InputInvalid: the path is not one that the executor's configuration allows.
        """
        target = container.Container(self.cloud, names.check_plan(plan))
        if not target.exists():
            raise exceptions.ContainerNotFound(plan)
        path = allowed_templates(templates_path)
        files = tarball.read_tree(path) if path.is_dir() else tarball.unpack(path)
        target.extract(files)
        return len(files)

    def create(self, plan: str) -> None:
        """Make a plan of the templates in its container.

        The environment is made last: until then there is no plan, and a refused or failed
        creation leaves the container as it was.

        :raises PlanExists: there is an environment of that name already.
        :raises TripleOError: the templates are wrong, each in its own way.
        """
        names.check_plan(plan)
        if environment.exists(self.home, plan):
            raise exceptions.PlanExists(plan, "Mistral environment")
        target = container.Container(self.cloud, plan)
        rendered = self._render(target)
        variables = {
            "template": "overcloud.yaml",
            "environments": [],
            "parameter_defaults": {},
            "passwords": {},
            "rendered": rendered.made,
            **_initial(rendered.files),
        }
        heat_input(rendered, variables)
        try:
            self._store(target, rendered, [])
            environment.create(self.home, plan, variables)
        except exceptions.PlanExists:
            # Somebody else has made a plan of this container meanwhile, and needs the files.
            raise
        except BaseException:
            fresh = [path for path in rendered.made if path not in rendered.listing]
            with _told(f"Files that rendering made stay in container {plan}"):
                target.delete_files(fresh)
                target.write(rendered.replaced, {})
            raise

    def update(self, plan: str) -> None:
        """Take over what the plan's templates now say: root template, root environment, files.

        Chosen environments and parameters stay.

        :raises PlanNotFound: there is no such plan.
        :raises TripleOError: the templates are wrong; then the plan is as it was.
        """
        variables = self._variables(plan)
        target = container.Container(self.cloud, plan)
        rendered = self._render(target)
        initial = _initial(rendered.files)
        before = variables.get("rendered", [])
        old_roots = [variables.get("root_environment")]
        roots = initial["environments"]
        kept = [
            item
            for item in variables.get("environments", [])
            if item not in roots and item.get("path") not in old_roots
        ]
        variables.update(initial, environments=[*roots, *kept], rendered=rendered.made)
        heat_input(rendered, variables)
        self._store(target, rendered, before)
        environment.write(self.home, plan, variables)

    def delete(self, plan: str) -> None:
        """Remove a plan: its files, its container, its environment.

        Whether it has a stack is for the caller to know. A half-made or half-deleted plan is
        removed as well.

        :raises PlanNotFound: nothing of that name is there.
        """
        names.check_plan(plan)
        target = container.Container(self.cloud, plan)
        # A container that is neither marked nor has an environment holds somebody's other data.
        if not target.is_marked() and not environment.exists(self.home, plan):
            raise exceptions.PlanNotFound(plan, self.names())
        target.delete()
        environment.delete(self.home, plan)

    def process(self, plan: str) -> tuple[Rendered, dict[str, Any]]:
        """Render a plan's templates and store what has changed.

        :returns: the rendered plan and its variables.
        :raises PlanNotFound: there is no such plan.
        :raises TripleOError: the templates are wrong; then nothing is stored.
        """
        variables = self._variables(plan)
        target = container.Container(self.cloud, plan)
        rendered = self._render(target)
        heat_input(rendered, variables)
        before = variables.get("rendered", [])
        self._store(target, rendered, before)
        if before != rendered.made:
            variables["rendered"] = rendered.made
            environment.write(self.home, plan, variables)
        return rendered, variables

    def roles(self, plan: str, file: str = roles.ROLES_FILE) -> list[dict[str, Any]]:
        """Return the roles of a plan, in the order of its roles file.

        :raises PlanNotFound: there is no such plan.
        :raises FileNotInPlan: the plan has no such roles file.
        """
        self._variables(plan)
        path = names.resolve(file, "")
        target = container.Container(self.cloud, plan)
        listing = target.listing()
        if path not in listing:
            raise exceptions.FileNotInPlan(path, "the input role_file_name")
        found = target.read({path: listing[path]})
        if path not in found:
            raise exceptions.YAMLInvalid(path, "is no text")
        return roles.parse(found[path], path)

    def update_parameters(self, plan: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Merge values into a plan's parameters; a value replaces the one it had.

        :returns: all parameters of the plan.
        :raises PlanNotFound: there is no such plan.
        :raises InputInvalid: ``parameters`` is not a mapping of names to values.
        """
        if not isinstance(parameters, dict):
            raise exceptions.InputInvalid("parameters", "must map parameter names to values.")
        variables = self._variables(plan)
        merged = {**(variables.get("parameter_defaults") or {}), **parameters}
        variables["parameter_defaults"] = merged
        environment.write(self.home, plan, variables)
        return merged

    def _variables(self, plan: str) -> dict[str, Any]:
        names.check_plan(plan)
        try:
            variables = environment.read(self.home, plan)
        except exceptions.PlanNotFound:
            # Other environments are no plans: only those with a container are offered.
            raise exceptions.PlanNotFound(plan, self.names()) from None
        if not container.Container(self.cloud, plan).exists():
            raise exceptions.ContainerNotFound(plan)
        return variables

    @staticmethod
    def _render(target: container.Container) -> Rendered:
        listing = target.listing()
        files = target.read(listing)
        made = render.render(files)
        whole = {**files, **made}
        # What is stored must be readable the next time.
        budget = tarball.Budget(f"Plan {target.name}")
        for path in {*listing, *made}:
            size = len(made[path].encode()) if path in made else listing[path].bytes
            budget.spend(path, size)
        replaced = {path: files[path] for path in made if path in files}
        return Rendered(listing, whole, sorted(made), replaced)

    @staticmethod
    def _store(target: container.Container, rendered: Rendered, before: list[str]) -> None:
        target.write({path: rendered.files[path] for path in rendered.made}, rendered.listing)
        stale = set(before).difference(rendered.made).intersection(rendered.listing)
        target.delete_files(sorted(stale))


def heat_input(
    rendered: Rendered, variables: dict[str, Any], parameters: dict[str, Any] | None = None
) -> references.HeatInput:
    """Return what Heat is given for a plan.

    :param variables: the plan's environment.
    :param parameters: further values, which override all others.
    :raises TripleOError: something refers to what is not there, or may not be referred to.
    """
    paths: list[str] = []
    files = dict(rendered.files)
    _check_variables(variables)
    for number, item in enumerate(variables.get("environments") or []):
        if "path" in item:
            paths.append(item["path"])
        else:
            # Clients may put an environment itself where a path would be.
            inline = f"tripleo/environment-{number}.yaml"
            files[inline] = yaml_files.dump(item.get("data") or {})
            paths.append(inline)
    # What is given for a plan as a whole wins over its environments, and passwords over nothing.
    defaults = {
        **(variables.get("passwords") or {}),
        **(variables.get("parameter_defaults") or {}),
        **(parameters or {}),
    }
    last = {"parameter_defaults": defaults} if defaults else {}
    return references.collect(files, str(variables.get("template")), paths, last)


def _check_variables(variables: dict[str, Any]) -> None:
    """Check the form of a plan's environment, which clients write as well."""
    where = "the plan's environment"
    environments = variables.get("environments") or []
    if not isinstance(environments, list) or not all(isinstance(e, dict) for e in environments):
        raise exceptions.FileInvalid(where, "environments must hold a list of mappings")
    for key in ("parameter_defaults", "passwords"):
        if not isinstance(variables.get(key) or {}, dict):
            raise exceptions.FileInvalid(where, f"{key} must hold a mapping")


def allowed_templates(path: str | None) -> Path:
    """Return a path on the executor that templates may be taken from.

    :param path: None means the default plan.
    :raises InputInvalid: it is neither the default plan nor below one of ``templates_roots``, or
        it is not there.
    """
    options = config.options()
    default = Path(options.templates_dir).resolve()
    if path is None:
        return default
    if not isinstance(path, str) or "\0" in path:
        raise exceptions.InputInvalid("templates_path", "must be a path.")
    wanted = Path(path).resolve()
    roots = [default, *(Path(root).resolve() for root in options.templates_roots)]
    if not any(wanted.is_relative_to(root) for root in roots):
        raise exceptions.InputInvalid(
            "templates_path",
            f"must lie below one of these directories of the executor: "
            f"{exceptions.one_of(str(root) for root in roots)} (option templates_roots).",
        )
    if not wanted.exists():
        raise exceptions.InputInvalid("templates_path", f"names {path}, which is not there.")
    return wanted


def _initial(files: dict[str, str]) -> dict[str, Any]:
    """Return root template and root environments, as the plan's files name them."""
    if CAPABILITIES_FILE in files:
        capabilities = yaml_files.load_mapping(files[CAPABILITIES_FILE], CAPABILITIES_FILE)
        found = {}
        for key in ("root_template", "root_environment"):
            if not isinstance(capabilities.get(key), str):
                raise exceptions.FileInvalid(
                    CAPABILITIES_FILE, f"missing key: {key}, which names a file of the plan"
                )
            found[key] = names.resolve(capabilities[key], CAPABILITIES_FILE)
        return {
            "template": found["root_template"],
            "root_environment": found["root_environment"],
            "environments": [{"path": found["root_environment"]}],
        }
    if PLAN_ENVIRONMENT_FILE in files:
        document = yaml_files.load_mapping(files[PLAN_ENVIRONMENT_FILE], PLAN_ENVIRONMENT_FILE)
        environments = document.get("environments") or []
        if not isinstance(environments, list) or not all(isinstance(e, dict) for e in environments):
            raise exceptions.FileInvalid(
                PLAN_ENVIRONMENT_FILE, "environments must hold a list of mappings with a path"
            )
        return {
            "template": names.resolve(document.get("template"), PLAN_ENVIRONMENT_FILE),
            "environments": environments,
        }
    raise exceptions.FileNotInPlan(CAPABILITIES_FILE, "every plan")


@contextlib.contextmanager
def _told(consequence: str) -> Any:
    """Log an error of a clean-up; it must not hide the one that made it necessary."""
    try:
        yield
    # Whatever the clean-up met, the first error is the one to report.
    except Exception:
        LOG.exception("%s: the clean-up failed", consequence)
