"""Rendering a plan's Jinja2 templates: from files to files, without I/O.

The naming rules are those of tripleo-heat-templates: ``X.role.j2.yaml`` is rendered once per role
to ``<role>-X.yaml``, ``network.network.j2.yaml`` and ``port.network.j2.yaml`` once per enabled
network to a file of the network's name, any other ``X.j2.yaml`` once to ``X.yaml``.
``j2_excludes.yaml`` lists outputs that are not wanted.
"""

from __future__ import annotations

import copy
import posixpath
import re
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jinja2
import jinja2.compiler
import jinja2.sandbox
import jinja2.utils

from tripleo_common import config, exceptions
from tripleo_common.plan import names, roles, tarball, yaml_files

NETWORKS_FILE = "network_data.yaml"
EXCLUDES_FILE = "j2_excludes.yaml"

_NETWORK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")

_SUFFIX = ".j2.yaml"
_ROLE_SUFFIX = ".role.j2.yaml"
_NETWORK_SUFFIX = ".network.j2.yaml"
_READS_ROLE = re.compile(r"\{\{-?\s*role\.name\b")


def render(files: Mapping[str, str]) -> dict[str, str]:
    """Render all templates of a plan.

    :param files: path to content; at least the templates, what they include, and the roles,
        networks and excludes files where there are any.
    :returns: path to content of every file that rendering makes.
    :raises TemplateInvalid: a template cannot be rendered; names file and line.
    :raises YAMLInvalid: the roles, networks or excludes file is wrong.
    :raises LimitExceeded: a file becomes larger than ``file_max_mib``.
    """
    return _Renderer(files).render()


def is_template(path: str) -> bool:
    """Tell whether a file is rendered."""
    return path.endswith(_SUFFIX)


class _Undefined(jinja2.Undefined):
    """A misspelt variable is an error; a key that a role does not have is just empty.

    tripleo-heat-templates reads optional keys of roles and networks without asking.
    """

    def __str__(self) -> str:
        self._check_known()
        return ""

    def __iter__(self) -> Iterator[Any]:
        self._check_known()
        return iter(())

    def _check_known(self) -> None:
        if self._undefined_obj is jinja2.utils.missing:
            self._fail_with_undefined_error()


class _CodeGenerator(jinja2.compiler.CodeGenerator):
    """Puts a look at the clock into each block: a loop that writes nothing yields nothing."""

    def blockvisit(self, nodes: Any, frame: Any) -> None:
        self.writeline("environment.check_time()")
        super().blockvisit(nodes, frame)


class _Environment(jinja2.sandbox.SandboxedEnvironment):
    code_generator_class = _CodeGenerator
    check_time: Callable[[], None]


class _TimeIsUp(Exception):
    pass


class _Renderer:
    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files
        self._environment = _Environment(
            loader=jinja2.FunctionLoader(self._source),
            undefined=_Undefined,
            autoescape=False,
        )
        self._environment.join_path = self._include_path  # type: ignore[method-assign]
        self._environment.check_time = self._check_time
        self._deadline = time.monotonic() + config.options().render_timeout

    def _check_time(self) -> None:
        if time.monotonic() > self._deadline:
            raise _TimeIsUp

    def render(self) -> dict[str, str]:
        role_list = roles.parse(self._files.get(roles.ROLES_FILE, ""))
        networks = self._networks()
        excludes = set(self._excludes())
        rendered: dict[str, str] = {}
        budget = tarball.Budget("What rendering makes")
        for path in sorted(filter(is_template, self._files)):
            for output, variables in self._outputs(path, role_list, networks):
                if output in excludes:
                    continue
                if output in rendered:
                    raise exceptions.TemplateInvalid(
                        path, f"it makes {output}, which another role, network or template makes"
                    )
                # Copies: a template may change lists, and must not for the next one.
                shared = {"roles": role_list, "networks": networks, **variables}
                rendered[output] = self._render(path, copy.deepcopy(shared))
                budget.spend(output, len(rendered[output].encode("utf-8", "surrogatepass")))
        return rendered

    def _outputs(
        self, path: str, role_list: list[dict[str, Any]], networks: list[dict[str, Any]]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield what a template is rendered to, and with which variables of its own."""
        directory, base = posixpath.split(path)
        if path.endswith(_ROLE_SUFFIX):
            # Old templates take the role for its name; whether they do is seen by what they read.
            whole = _READS_ROLE.search(self._files[path])
            stem = base.removesuffix(_ROLE_SUFFIX)
            for role in role_list:
                name = role["name"].lower()
                # NIC configurations are named by the role alone.
                file = f"{name}.yaml" if "network/config" in directory else f"{name}-{stem}.yaml"
                yield posixpath.join(directory, file), {"role": role if whole else role["name"]}
        elif path.endswith(_NETWORK_SUFFIX):
            stem = base.removesuffix(_NETWORK_SUFFIX)
            placeholder = "port" if directory.endswith("ports") else "network"
            for network in networks:
                if network.get("enabled", True):
                    file = stem.replace(placeholder, network["name_lower"])
                    yield posixpath.join(directory, f"{file}.yaml"), {"network": network}
        else:
            yield path.removesuffix(_SUFFIX) + ".yaml", {}

    def _render(self, path: str, variables: dict[str, Any]) -> str:
        limit = config.options().file_max_mib
        parts: list[str] = []
        size = 0
        try:
            for part in self._environment.get_template(path).generate(variables):
                parts.append(part)
                size += len(part)
                if size > limit * 2**20:
                    raise exceptions.LimitExceeded(
                        f"What {path} is rendered to", size >> 20, limit, "MiB", "file_max_mib"
                    )
                self._check_time()
        except _TimeIsUp as error:
            raise exceptions.TemplateInvalid(
                path,
                f"rendering has not ended after {config.options().render_timeout} seconds "
                "(option render_timeout of the group [tripleo])",
            ) from error
        except jinja2.TemplateSyntaxError as error:
            raise exceptions.TemplateInvalid(
                error.name or path, f"Jinja2: {error.message}", error.lineno
            ) from error
        except jinja2.TemplateNotFound as error:
            raise exceptions.FileNotInPlan(str(error.name), path) from error
        except exceptions.TripleOError:
            raise
        # A template can make Jinja2 raise anything: an attribute that is not there, a division.
        except Exception as error:
            file, line = self._place(error, path)
            raise exceptions.TemplateInvalid(file, f"Jinja2: {error}", line) from error
        return "".join(parts)

    def _place(self, error: Exception, path: str) -> tuple[str, int | None]:
        """Return template and line of an error: Jinja2 writes both into the traceback."""
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            if frame.filename in self._files:
                return frame.filename, frame.lineno
        return path, None

    def _source(self, path: str) -> tuple[str, str, Callable[[], bool]] | None:
        if path not in self._files:
            return None
        # The second value is the file name that tracebacks show.
        return self._files[path], path, lambda: True

    def _include_path(self, template: str, parent: str) -> str:
        """Find an include beside the template that has it, or from the plan's root."""
        beside = names.resolve(template, parent)
        return beside if beside in self._files else names.resolve(template, "")

    def _networks(self) -> list[dict[str, Any]]:
        document = yaml_files.load(self._files.get(NETWORKS_FILE, ""), NETWORKS_FILE) or []
        if not isinstance(document, list) or not all(
            isinstance(item, dict) and isinstance(item.get("name"), str) for item in document
        ):
            raise exceptions.YAMLInvalid(NETWORKS_FILE, "must hold a list of mappings with a name")
        for index, network in enumerate(document):
            # Templates tag a network's resources with its place in the file.
            network["idx"] = index
            network["name_lower"] = network.get("name_lower") or network["name"].lower()
            # It becomes part of file names.
            if not isinstance(network["name_lower"], str) or not _NETWORK.fullmatch(
                network["name_lower"]
            ):
                raise exceptions.YAMLInvalid(
                    NETWORKS_FILE,
                    f"network {index + 1} has no name_lower of letters, digits, - and _, "
                    f"but {network['name_lower']!r}",
                )
        return document

    def _excludes(self) -> list[str]:
        text = self._files.get(EXCLUDES_FILE, "")
        wanted = yaml_files.load_mapping(text, EXCLUDES_FILE).get("name") or []
        if not isinstance(wanted, list):
            raise exceptions.YAMLInvalid(EXCLUDES_FILE, "name must hold a list of file names")
        return [str(name) for name in wanted]
