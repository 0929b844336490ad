"""Where things of this project are, and every option that an executor can be configured with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from oslo_config import cfg

GROUP = "tripleo"


def share_dir(name: str) -> Path:
    """Return the directory of the installed ``templates`` or ``workbooks``.

    They are data files of the distribution; in a source tree they lie beside the package.
    """
    source = Path(__file__).resolve().parent.parent / name
    if source.is_dir():
        return source
    return Path(sys.prefix) / "share" / "tripleo-common" / name


OPTIONS = [
    cfg.StrOpt(
        "region",
        help="The region that is meant where neither the input action_region nor the request "
        "names one.",
    ),
    cfg.StrOpt(
        "interface",
        default="public",
        choices=["public", "internal", "admin"],
        help="Which interface of the catalogue's endpoints the actions use.",
    ),
    cfg.IntOpt(
        "action_deadline",
        default=600,
        min=1,
        help="Seconds after which an action gives up. Mistral's own timeout does not stop a "
        "running action, so each request is made with what is left of this time.",
    ),
    cfg.IntOpt(
        "request_timeout",
        default=60,
        min=1,
        help="Seconds that one request to a service may take.",
    ),
    cfg.IntOpt(
        "transfer_threads",
        default=8,
        min=1,
        help="How many objects of a plan are read or written at the same time.",
    ),
    cfg.StrOpt(
        "templates_dir",
        default=str(share_dir("templates")),
        help="The default plan. tripleo.templates.upload takes templates from here, or from a "
        "directory or tarball below one of templates_roots.",
    ),
    cfg.ListOpt(
        "templates_roots",
        default=[],
        help="Further directories on the executor from which plans may be made. An action's "
        "caller can name a path below them and no other path.",
    ),
    cfg.IntOpt(
        "plan_max_files",
        default=10000,
        min=1,
        help="How many files a plan may hold.",
    ),
    cfg.IntOpt(
        "plan_max_mib",
        default=64,
        min=1,
        help="How many MiB a plan's files may hold together.",
    ),
    cfg.IntOpt(
        "file_max_mib",
        default=8,
        min=1,
        help="How many MiB one file of a plan may hold, also after rendering.",
    ),
    cfg.IntOpt(
        "render_timeout",
        default=60,
        min=1,
        help="Seconds that rendering a plan's Jinja2 templates may take.",
    ),
    cfg.IntOpt(
        "render_memory_mib",
        default=1024,
        min=128,
        help="MiB of address space that rendering a plan's Jinja2 templates may take; it is done "
        "in a process of its own.",
    ),
    cfg.FloatOpt(
        "lock_wait",
        default=60,
        min=0,
        help="Seconds for which a change of a plan waits for another change of it to end, unless "
        "its input lock_wait says otherwise.",
    ),
    cfg.IntOpt(
        "revisions_kept",
        default=20,
        min=1,
        help="How many revisions of a plan are kept. Those that were deployed are kept besides.",
    ),
    cfg.StrOpt(
        "encryption_keys_file",
        help="File with the keys that secrets of plans are encrypted with: one Fernet key per "
        "line, the newest first. New secrets are encrypted with the first; all of them decrypt. "
        "Every executor needs the same file, readable for it alone.",
    ),
    cfg.ListOpt(
        "source_schemes",
        default=["https"],
        help="URL schemes from which templates of plans may be taken (source_url): https, http, "
        "ssh, git, file.",
    ),
    cfg.ListOpt(
        "source_hosts",
        default=[],
        help="Hosts from which templates of plans may be taken (source_url), as host or "
        "host:port; *.example.org stands for all below. None by default.",
    ),
    cfg.IntOpt(
        "source_timeout",
        default=120,
        min=1,
        help="Seconds that fetching templates from a source_url may take.",
    ),
    cfg.StrOpt(
        "cacert",
        help="File with the certificates of authorities that TLS connections to the own cloud are "
        "checked against, and those to a target that comes without certificates of its own. "
        "Without it what Mistral is configured with (cafile of keystone_authtoken), or the "
        "system's.",
    ),
    cfg.BoolOpt(
        "insecure",
        default=False,
        help="Do not check certificates of the own cloud. Every action then logs a warning.",
    ),
    cfg.BoolOpt(
        "multi_cloud",
        default=False,
        help="Whether a request may give a target cloud to run against (headers X-Target-*, "
        "options --os-target-* of the mistral command). For the gate in front of Mistral's API.",
    ),
    cfg.ListOpt(
        "allowed_auth_uris",
        default=[],
        help="Authentication URLs that a request may give as its target's. None by default.",
    ),
    cfg.BoolOpt(
        "allow_any_auth_uri",
        default=False,
        help="Let a request give any authentication URL as its target's. Whoever may start a "
        "workflow can then let executors connect to any address.",
    ),
    cfg.ListOpt(
        "modules_support_region",
        default=["heat", "swift", "glance", "ironic", "ironic_inspector", "mistral"],
        help="Modules whose generated OpenStack actions have the input action_region. Keystone is "
        "not among them, for its regions share it.",
    ),
    cfg.StrOpt(
        "openstack_actions_prefix",
        default="openstack.",
        help="What the names of the generated OpenStack actions begin with, as in "
        "openstack.heat.stacks_list. Empty takes the plain names over, also from mistral-extra.",
    ),
    cfg.IntOpt(
        "nodes_max",
        default=5000,
        min=1,
        help="How many nodes one list of nodes may hold.",
    ),
    cfg.IntOpt(
        "baremetal_threads",
        default=8,
        min=1,
        help="How many requests at a time an action sends to Ironic.",
    ),
    cfg.IntOpt(
        "baremetal_patience",
        default=120,
        min=0,
        help="Seconds for which a request to Ironic is repeated that could not be carried out now: "
        "the node is locked, no conductor is free, Ironic does not answer.",
    ),
    cfg.StrOpt(
        "deploy_kernel",
        default="bm-deploy-kernel",
        help="The image that nodes get as their deploy kernel if a call names none and there is "
        "one: a name in Glance, or a URL (http, https, file).",
    ),
    cfg.StrOpt(
        "deploy_ramdisk",
        default="bm-deploy-ramdisk",
        help="The same for the deploy ramdisk.",
    ),
    cfg.StrOpt(
        "openstack_actions_mapping",
        help="File that says which OpenStack actions are generated from which methods of which "
        "clients, in the place of the one that comes with the package.",
    ),
]


def list_opts() -> list[tuple[str, list[Any]]]:
    """Return the options for oslo-config-generator."""
    return [(GROUP, OPTIONS)]


def options() -> Any:
    """Return the ``[tripleo]`` options of the running service."""
    if GROUP not in cfg.CONF or OPTIONS[-1].dest not in cfg.CONF[GROUP]:
        cfg.CONF.register_opts(OPTIONS, GROUP)
    return cfg.CONF[GROUP]
