"""A candidate: what a plan is to become, checked as a whole before anything is stored.

A change edits a candidate's ``files`` and ``variables``. :meth:`Candidate.finish` then derives what
follows from them (rendered files, capabilities, roles, ``plan-environment.yaml``), encrypts what is
secret, and makes sure that Heat could be given the result.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

from tripleo_common import exceptions
from tripleo_common.plan import (
    archive,
    capabilities,
    names,
    passwords,
    placements,
    plan_environment,
    references,
    rendering,
    roles,
    secrets,
    store,
    tarball,
    yaml_files,
)

_ROOT_TEMPLATE = "overcloud.yaml"
_ROOT_ENVIRONMENT = "overcloud-resource-registry-puppet.yaml"
"""What the root environment is called where no capabilities map says: tripleo-heat-templates has
none since its 12th release."""

_WHERE = "the plan's environment"

_VALUES = plan_environment.VALUES


@dataclasses.dataclass
class Candidate:
    """What a plan is to become.

    :ivar files: path to content of all files.
    :ivar variables: the plan's environment, without bookkeeping.
    :ivar before: the files of the plan's revision, from which ``files`` was made.
    :ivar placement: where Heat would be given it: the parameters that hold there alone count.
    :ivar scans: what is known already of what its files refer to.
    :ivar given: after :meth:`finish`, what Heat would be given, secrets included.
    """

    plan: str
    files: dict[str, bytes]
    variables: dict[str, Any]
    before: archive.Files
    placement: placements.Placement | None = None
    given: references.HeatInput = dataclasses.field(init=False)
    scans: Mapping[references.ScanKey, references.Scan] = dataclasses.field(default_factory=dict)
    _rendered: tuple[dict[str, bytes], dict[str, bytes]] | None = None

    @classmethod
    def of(cls, state: store.State) -> Candidate:
        """Start from a plan as it is now, with all that was written directly."""
        variables = copy.deepcopy(state.variables)
        candidate = cls(
            state.plan, dict(state.files.contents), variables, state.base, state.placement
        )
        if plan_environment.FILE in state.direct and plan_environment.FILE in candidate.files:
            candidate._take_plan_environment()
        return candidate

    @property
    def overrides(self) -> Mapping[str, Any]:
        """Values of parameters that hold in the placement alone, as they are stored."""
        here = self.placement
        for place in placements.listed(self.variables) if here else ():
            if here and place.is_at(here):
                return place.parameter_defaults
        return {}

    def override(self, edit: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Change the values of parameters that hold in the placement alone.

        :param edit: returns new values for old ones.
        """
        here = self.placement
        listed = placements.listed(self.variables) or [p for p in (here,) if p]
        self.variables[placements.VARIABLE] = placements.dump(
            dataclasses.replace(place, parameter_defaults=edit(dict(place.parameter_defaults)))
            if here and place.is_at(here)
            else place
            for place in listed
        )

    @property
    def hidden(self) -> set[str]:
        """Names of all parameters whose values are secret."""
        return {
            name
            for name, declarations in self.given.declared.items()
            if any(declaration.hidden for declaration in declarations)
        }.union(self.variables.get("passwords") or {})

    @property
    def files_id(self) -> str:
        """Digest of all files."""
        return archive.Files.of(self.files, self.before).id

    @property
    def templates_id(self) -> str:
        """Digest of all files that do not change with the plan's settings."""
        hashes = archive.Files.of(self.files, self.before).hashes
        hashes.pop(plan_environment.FILE, None)
        return archive.digest(hashes)

    def replace_files(self, files: Mapping[str, bytes]) -> None:
        """Take other templates in the place of all files; settings stay."""
        self.files = dict(files)
        for name in ("rendered", "capabilities"):
            self.variables.pop(name, None)

    def take(self, document: Mapping[str, Any]) -> None:
        """Take what a ``plan-environment.yaml`` may say in the place of what the plan has."""
        self.variables = plan_environment.merge(self.variables, document)

    def take_roots(self) -> None:
        """Take root template and root environment from what the files say.

        Chosen environments stay; the root environment comes first.
        """
        # The map may name files that rendering makes.
        named = self.files.get(plan_environment.FILE)
        self._render()
        if named is not None:
            self.files[plan_environment.FILE] = named
            # In a new plan nothing else has said yet what is chosen.
            if not self.before.contents:
                self._take_plan_environment()
        found = self._map()
        if found is None and "capabilities" in self.variables:
            raise exceptions.FileNotInPlan(capabilities.FILE, "this plan")
        if found and found["root_template"] is not None:
            template, root = found["root_template"], found["root_environment"]
        elif plan_environment.FILE in self.files:
            self.variables.setdefault("template", _ROOT_TEMPLATE)
            return
        elif {_ROOT_ENVIRONMENT, _ROOT_ENVIRONMENT.replace(".yaml", ".j2.yaml")} & set(self.files):
            template, root = _ROOT_TEMPLATE, _ROOT_ENVIRONMENT
        else:
            raise exceptions.FileNotInPlan(capabilities.FILE, "every plan")
        old = self.variables.get("root_environment")
        kept = [
            item
            for item in self.variables.get("environments") or []
            if "path" not in item or item["path"] not in (root, old)
        ]
        self.variables.update(
            template=template, root_environment=root, environments=[{"path": root}, *kept]
        )

    def finish(self) -> None:
        """Derive, encrypt and check.

        :raises TripleOError: something is wrong, each in its own way; nothing is stored.
        """
        _check_form(self.variables)
        self._render()
        found = self._map()
        if found:
            self.variables["capabilities"] = found
        else:
            self.variables.pop("capabilities", None)
        if roles.ROLES_FILE in self.files:
            listed = roles.parse(self._text(roles.ROLES_FILE))
            self.variables["roles"] = [role["name"] for role in listed]
        vault = secrets.Vault.from_options()
        self.given = heat_input(
            self.texts(), self.variables, vault, self.overrides, scans=self.scans
        )
        self._encrypt(vault)
        self.files[plan_environment.FILE] = plan_environment.dump(
            self.plan, self.variables
        ).encode()
        budget = tarball.Budget(f"Plan {self.plan}")
        for path, content in self.files.items():
            budget.spend(path, len(content))

    def generate_passwords(self, taken_over: Mapping[str, Any]) -> list[str]:
        """Make the passwords that the plan needs and does not have; return their names.

        :param taken_over: values that a deployed stack has already, which are kept.
        """
        wanted = passwords.wanted(self.texts().values())
        existing = self.variables.get("passwords") or {}
        values = {**passwords.taken_over(wanted, taken_over), **existing}
        made = passwords.generate(wanted, values)
        self.variables["passwords"] = {**values, **made}
        return sorted(set(self.variables["passwords"]) - set(existing))

    def texts(self) -> dict[str, str]:
        """Return path to content of all files that are text."""
        found = {}
        for path, content in self.files.items():
            try:
                found[path] = content.decode("utf-8")
            except UnicodeDecodeError:
                continue
        return found

    def _render(self) -> None:
        """Render, unless every source is what it was; what was rendered is not for editing."""
        known = self.variables.get("rendered")
        rendered = known if isinstance(known, list) else []
        # Clients write the environment as well, and may have lost or spoilt this.
        is_known = known == [path for path in rendered if isinstance(path, str)]
        derived = {plan_environment.FILE, *(rendered if is_known else ())}
        sources = {path: content for path, content in self.files.items() if path not in derived}
        before = self.before.contents
        if self._rendered is None and is_known and all(path in before for path in derived):
            self._rendered = (
                {path: content for path, content in before.items() if path not in derived},
                {path: before[path] for path in derived if path != plan_environment.FILE},
            )
        if self._rendered is None or not _same(sources, self._rendered[0]):
            self.files = sources
            made = {p: text.encode() for p, text in rendering.run(self.texts()).items()}
            self._rendered = (sources, made)
        made = self._rendered[1]
        self.files = {**sources, **made}
        self.variables["rendered"] = sorted(made)

    def _map(self) -> dict[str, Any] | None:
        if capabilities.FILE not in self.files:
            return None
        # The maps of some releases leave it to plan-environment.yaml to say what the roots are.
        elsewhere = plan_environment.FILE in self.files and "root_environment" not in self.variables
        return capabilities.parse(
            self._text(capabilities.FILE), self.files, roots_required=not elsewhere
        )

    def _take_plan_environment(self) -> None:
        file = plan_environment.FILE
        self.take(yaml_files.load_mapping(self._text(file), file))

    def _text(self, path: str) -> str:
        return yaml_files.text(self.files[path], path)

    def _encrypt(self, vault: secrets.Vault) -> None:
        hidden = self.hidden

        def closed(values: Any, names_of_secrets: Any) -> dict[str, Any]:
            return {
                name: vault.renew(value, name)
                if secrets.is_encrypted(value)
                else vault.encrypt(value)
                if name in names_of_secrets
                else value
                for name, value in (values or {}).items()
            }

        stored = self.variables.get("passwords") or {}
        self.variables["passwords"] = closed(stored, stored)
        self.variables["parameter_defaults"] = closed(
            self.variables.get("parameter_defaults"), hidden
        )
        environments = []
        for item in self.variables.get("environments") or []:
            data = item.get("data")
            if isinstance(data, dict) and "path" not in item:
                values = {key: closed(data[key], hidden) for key in _VALUES if data.get(key)}
                environments.append({"data": {**data, **values}})
            else:
                environments.append(item)
        self.variables["environments"] = environments
        listed = placements.listed(self.variables)
        if listed:
            self.variables[placements.VARIABLE] = placements.dump(
                dataclasses.replace(
                    place, parameter_defaults=closed(place.parameter_defaults, hidden)
                )
                for place in listed
            )


def heat_input(
    texts: Mapping[str, str],
    variables: Mapping[str, Any],
    vault: secrets.Vault,
    overrides: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    scans: Mapping[references.ScanKey, references.Scan] | None = None,
) -> references.HeatInput:
    """Return what Heat is given for a plan, with its secrets.

    :param texts: path to content, rendered files included.
    :param variables: the plan's environment.
    :param overrides: values that hold in the placement alone.
    :param parameters: further values, which override all others.
    :param scans: what is known already of what the files refer to.
    :raises TripleOError: something refers to what is not there, or may not be referred to.
    """

    def opened(values: Any) -> dict[str, Any]:
        return {
            name: vault.decrypt(value, name) if secrets.is_encrypted(value) else value
            for name, value in (values or {}).items()
        }

    paths: list[str] = []
    files = dict(texts)
    for number, item in enumerate(variables.get("environments") or []):
        if "path" in item:
            paths.append(item["path"])
        else:
            # Clients may put an environment itself where a path would be.
            inline = f"tripleo/environment-{number}.yaml"
            data = dict(item.get("data") or {})
            data.update({key: opened(data[key]) for key in _VALUES if data.get(key)})
            files[inline] = yaml_files.dump(data)
            paths.append(inline)
    # What is given for a plan as a whole wins over its environments, and passwords over nothing.
    defaults = {
        **opened(variables.get("passwords")),
        **opened(variables.get("parameter_defaults")),
        **opened(overrides),
        **(parameters or {}),
    }
    last = {"parameter_defaults": defaults} if defaults else {}
    return references.collect(files, str(variables.get("template")), paths, last, scans)


def _same(some: Mapping[str, bytes], others: Mapping[str, bytes]) -> bool:
    """Tell whether two sets of files hold the very same contents, untouched."""
    return some.keys() == others.keys() and all(some[path] is others[path] for path in some)


def _check_form(variables: Mapping[str, Any]) -> None:
    """Check the form of a plan's environment, which clients write as well."""
    environments = variables.get("environments") or []
    if not isinstance(environments, list) or not all(isinstance(e, dict) for e in environments):
        raise exceptions.FileInvalid(_WHERE, "environments must hold a list of mappings")
    for item in environments:
        data = item.get("data") or {}
        if "path" in item:
            names.resolve(item["path"], _WHERE)
        elif not isinstance(data, dict) or not all(
            isinstance(data.get(key) or {}, dict) for key in _VALUES
        ):
            raise exceptions.FileInvalid(_WHERE, "an environment's data must hold a mapping")
    for key in ("parameter_defaults", "passwords"):
        if not isinstance(variables.get(key) or {}, dict):
            raise exceptions.FileInvalid(_WHERE, f"{key} must hold a mapping")
    try:
        json.dumps(variables, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise exceptions.FileInvalid(
            _WHERE, f"must hold mappings, lists, texts, numbers and booleans alone: {error}"
        ) from error
