"""Rendering a plan's Jinja2 templates: from files to files, without I/O.

The rules are those of ``tools/process-templates.py`` of tripleo-heat-templates, and so are the
results: ``X.role.j2.yaml`` is rendered once per role to ``<role>-X.yaml``,
``network.network.j2.yaml`` and ``port.network.j2.yaml`` once per enabled network to a file of the
network's name, any other ``X.j2.yaml`` once to ``X.yaml``. ``j2_excludes.yaml`` lists files of
roles and networks that are not wanted.

Templates are hostile. The sandbox keeps them from reaching anything; it does not keep a single
expression from taking all memory, which is why services render with
:mod:`tripleo_common.plan.rendering`.
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
DEFAULT_NETWORKS_FILE = "network_data_default.yaml"
EXCLUDES_FILE = "j2_excludes.yaml"

_NETWORK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")

_SUFFIX = ".j2.yaml"
_ROLE_SUFFIX = ".role.j2.yaml"
_NETWORK_SUFFIX = ".network.j2.yaml"
_READS_ROLE = re.compile(r"\{\{-?\s*role\.name\b")


_PATH = 1024
"""How long a path may be; Swift's own limit on names of objects, where these end."""

_TAGS = {
    "compute": ("Compute", "HciCeph", "DistributedCompute"),
    "ceph": ("Ceph",),
    "ovsdpdk": ("ComputeOvsDpdk",),
    "storage": ("ObjectStorage", "BlockStorage", "Ceph"),
}
"""Tag to how the names of roles begin that have it without saying so."""


def render(
    files: Mapping[str, str],
    *,
    roles_file: str = roles.ROLES_FILE,
    networks_file: str | None = None,
    announce: Callable[[str], object] | None = None,
) -> dict[str, str]:
    """Render all templates of a plan.

    :param files: path to content; at least the templates, what they include, and the roles,
        networks and excludes files where there are any.
    :param roles_file: the file that says the plan's roles. There are none where the plan does not
        have the default one.
    :param networks_file: the file that says its networks. None means ``network_data.yaml``, or
        else ``network_data_default.yaml``, or else no networks.
    :param announce: called with the path of each file before it is read or rendered.
    :returns: path to content of every file that rendering makes.
    :raises TemplateInvalid: a template cannot be rendered; names file and line.
    :raises YAMLInvalid: the roles, networks or excludes file is wrong.
    :raises FileNotInPlan: a chosen roles or networks file, or an include, is not there.
    :raises PathInvalid: one of these leaves the plan.
    :raises LimitExceeded: a file becomes larger than ``file_max_mib``, or all of them are more
        than a plan may hold.
    """
    return _Renderer(files, announce).render(roles_file, networks_file)


def is_template(path: str) -> bool:
    """Tell whether a file is rendered; a hidden one is not."""
    return path.endswith(_SUFFIX) and "/." not in f"/{path}"


def out_of_time(path: str) -> exceptions.TemplateInvalid:
    """Return the error of a template with which the time was up."""
    return exceptions.TemplateInvalid(
        path,
        f"rendering has not ended after {config.options().render_timeout} seconds "
        "(option render_timeout of the group [tripleo])",
    )


def out_of_memory(path: str, line: int | None = None) -> exceptions.TemplateInvalid:
    """Return the error of a template with which the memory was full."""
    return exceptions.TemplateInvalid(
        path,
        f"rendering takes more than {config.options().render_memory_mib} MiB of memory "
        "(option render_memory_mib of the group [tripleo])",
        line,
    )


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
    def __init__(
        self, files: Mapping[str, str], announce: Callable[[str], object] | None = None
    ) -> None:
        self._files = files
        self._announce = announce or (lambda path: None)
        self._environment = _Environment(
            loader=jinja2.FunctionLoader(self._source),
            undefined=_Undefined,
            autoescape=False,
        )
        self._environment.join_path = self._include_path  # type: ignore[method-assign]
        self._environment.check_time = self._check_time
        self._deadline = time.monotonic() + config.options().render_timeout
        self._template = ""
        self._includes: dict[str, dict[str, None]] = {}

    def _check_time(self) -> None:
        if time.monotonic() > self._deadline:
            raise _TimeIsUp

    def render(self, roles_file: str, networks_file: str | None) -> dict[str, str]:
        role_list = self._roles(roles_file)
        networks = self._networks(networks_file)
        excludes = set(self._excludes())
        rendered: dict[str, str] = {}
        budget = tarball.Budget("What rendering makes")
        for path in sorted(filter(is_template, self._files)):
            self._announce(path)
            for output, variables in self._outputs(path, role_list, networks, excludes):
                if output in rendered:
                    raise exceptions.TemplateInvalid(
                        path, f"it makes {output}, which another role, network or template makes"
                    )
                if len(output) > _PATH:
                    raise exceptions.TemplateInvalid(
                        path, f"it makes a file whose path is longer than {_PATH} characters"
                    )
                # Copies: a template may change lists, and must not for the next one.
                rendered[output] = self._render(path, copy.deepcopy(variables))
                budget.spend(output, len(rendered[output].encode("utf-8", "surrogatepass")))
        return rendered

    def _outputs(
        self,
        path: str,
        role_list: list[dict[str, Any]],
        networks: list[dict[str, Any]],
        excludes: set[str],
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield what a template is rendered to, and with which variables."""
        directory, base = posixpath.split(path)
        if path.endswith(_ROLE_SUFFIX):
            # Old templates take the role for its name; whether they do is seen by what they read.
            whole = _READS_ROLE.search(self._files[path])
            stem = base.removesuffix(_ROLE_SUFFIX)
            for role in role_list:
                name = role["name"].lower()
                # NIC configurations are named by the role alone.
                file = f"{name}.yaml" if "network/config" in path else f"{name}-{stem}.yaml"
                output = posixpath.join(directory, file)
                if output not in excludes:
                    yield output, {"role": role if whole else role["name"], "networks": networks}
        elif path.endswith(_NETWORK_SUFFIX):
            stem = base.removesuffix(_NETWORK_SUFFIX)
            placeholder = "port" if directory.endswith("ports") else "network"
            for network in filter(_is_enabled, networks):
                file = stem.replace(placeholder, network["name_lower"])
                output = posixpath.join(directory, f"{file}.yaml")
                if output not in excludes:
                    yield output, {"network": network}
        else:
            yield path.removesuffix(_SUFFIX) + ".yaml", {"roles": role_list, "networks": networks}

    def _render(self, path: str, variables: dict[str, Any]) -> str:
        limit = config.options().file_max_mib
        parts: list[str] = []
        size = 0
        self._template = path
        self._includes.clear()
        try:
            for part in self._environment.get_template(path).generate(variables):
                parts.append(part)
                size += len(part)
                if size > limit * 2**20:
                    raise exceptions.LimitExceeded(
                        f"What {path} is rendered to", size >> 20, limit, "MiB", "file_max_mib"
                    )
                self._check_time()
            return "".join(parts)
        except _TimeIsUp as error:
            raise out_of_time(path) from error
        except jinja2.TemplateSyntaxError as error:
            raise exceptions.TemplateInvalid(
                error.name or path, f"Jinja2: {_brief(error.message)}", error.lineno
            ) from error
        except jinja2.TemplateNotFound as error:
            raise exceptions.FileNotInPlan(_brief(error.name), path) from error
        except exceptions.TripleOError:
            raise
        except MemoryError as error:
            raise out_of_memory(*self._place(error, path)) from error
        except RecursionError as error:
            circle = self._circle()
            if circle:
                raise exceptions.TemplateInvalid(
                    circle[0], f"includes go in a circle: {' -> '.join(circle)}"
                ) from error
            file, line = self._place(error, path)
            raise exceptions.TemplateInvalid(
                file, "Jinja2: calls, includes or brackets are nested too deep", line
            ) from error
        # A template can make Jinja2 raise anything: an attribute that is not there, a division.
        except Exception as error:
            file, line = self._place(error, path)
            raise exceptions.TemplateInvalid(file, f"Jinja2: {_brief(error)}", line) from error

    def _place(self, error: Exception, path: str) -> tuple[str, int | None]:
        """Return template and line of an error: Jinja2 writes both into the traceback."""
        # Not traceback.extract_tb: it would look for templates among this machine's files.
        for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
            if frame.f_code.co_filename in self._files:
                return frame.f_code.co_filename, line
        return path, None

    def _source(self, path: str) -> tuple[str, str, Callable[[], bool]] | None:
        if path not in self._files:
            return None
        # The second value is the file name that tracebacks show.
        return self._files[path], path, lambda: True

    def _include_path(self, template: str, parent: str) -> str:
        """Find an include beside the rendered template, from the root, or beside its parent.

        :param parent: the template or include that includes it.
        """
        beside = names.resolve(template, parent)
        from_root = posixpath.normpath(template)
        near = posixpath.normpath(posixpath.join(posixpath.dirname(self._template), template))
        path = next((found for found in (near, from_root, beside) if found in self._files), None)
        self._includes.setdefault(parent, {})[path or from_root] = None
        return path or from_root

    def _circle(self) -> list[str]:
        """Return templates that include each other, the first one also as the last, or nothing."""
        trail = {self._template: iter(self._includes.get(self._template, ()))}
        done = set()
        while trail:
            last = next(reversed(trail))
            for child in trail[last]:
                if child in trail:
                    way = list(trail)
                    return [*way[way.index(child) :], child]
                if child not in done:
                    trail[child] = iter(self._includes.get(child, ()))
                    break
            else:
                done.add(last)
                del trail[last]
        return []

    def _roles(self, file: str) -> list[dict[str, Any]]:
        path = self._chosen(file, "roles")
        if path not in self._files and path != roles.ROLES_FILE:
            raise exceptions.FileNotInPlan(path, "the choice of a roles file")
        self._announce(path)
        role_list = roles.parse(self._files.get(path, ""), path)
        for role in role_list:
            tags = role.get("tags") or []
            if not isinstance(tags, list):
                raise exceptions.YAMLInvalid(path, f"role {role['name']}: tags must hold a list")
            implied = [tag for tag, starts in _TAGS.items() if role["name"].startswith(starts)]
            role["tags"] = [*tags, *(tag for tag in implied if tag not in tags)]
        return role_list

    def _networks(self, file: str | None) -> list[dict[str, Any]]:
        if file is None:
            path = NETWORKS_FILE if NETWORKS_FILE in self._files else DEFAULT_NETWORKS_FILE
        else:
            path = self._chosen(file, "networks")
            if path not in self._files:
                raise exceptions.FileNotInPlan(path, "the choice of a networks file")
        self._announce(path)
        document = yaml_files.load(self._files.get(path, ""), path) or []
        if not isinstance(document, list) or not all(
            isinstance(item, dict) and isinstance(item.get("name"), str) for item in document
        ):
            raise exceptions.YAMLInvalid(path, "must hold a list of mappings with a name")
        for index, network in enumerate(document):
            # Templates tag a network's resources with its place in the file.
            network["idx"] = index
            if not _is_enabled(network):
                continue
            network["name_lower"] = network.get("name_lower") or network["name"].lower()
            # It becomes part of file names.
            if not isinstance(network["name_lower"], str) or not _NETWORK.fullmatch(
                network["name_lower"]
            ):
                raise exceptions.YAMLInvalid(
                    path,
                    f"network {index + 1} has no name_lower of letters, digits, - and _, "
                    f"but {network['name_lower']!r}",
                )
        return document

    def _excludes(self) -> list[str]:
        self._announce(EXCLUDES_FILE)
        text = self._files.get(EXCLUDES_FILE, "")
        wanted = yaml_files.load_mapping(text, EXCLUDES_FILE).get("name") or []
        if not isinstance(wanted, list):
            raise exceptions.YAMLInvalid(EXCLUDES_FILE, "name must hold a list of file names")
        return [str(name) for name in wanted]

    @staticmethod
    def _chosen(file: object, kind: str) -> str:
        return names.resolve(file, f"the choice of a {kind} file")


def _is_enabled(network: Mapping[str, Any]) -> bool:
    return network.get("enabled") is not False


def _brief(what: object) -> str:
    """Return what an error says, cut: a template can put megabytes into it."""
    return str(what)[:500]
