"""The ``tripleo-undercloud`` command."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from cliff import app, columns, command, commandmanager, lister

from tripleo_common import exceptions
from tripleo_common.undercloud import lifecycle, services, state


class _Base:
    """Every command knows which undercloud it is about."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)  # type: ignore[misc]
        parser.add_argument(
            "--state-dir",
            type=Path,
            default=state.default_state_dir(),
            metavar="DIR",
            help="where the undercloud lives (default: %(default)s)",
        )
        return parser


def _undercloud(
    arguments: argparse.Namespace, report: lifecycle.Report | None = None
) -> lifecycle.Undercloud:
    directory = state.StateDir(arguments.state_dir)
    return lifecycle.Undercloud(directory, report) if report else lifecycle.Undercloud(directory)


class Up(_Base, command.Command):  # type: ignore[misc]
    """Start the undercloud, or what is missing of it, and wait until every service answers."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the options."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--ports",
            choices=["standard", "free"],
            help="the well-known ports (default), or free ones chosen once and then kept",
        )
        parser.add_argument(
            "--regions",
            type=int,
            metavar="N",
            help="how many regions; each has its own Swift and Heat (default: 1)",
        )
        parser.add_argument(
            "--nodes",
            type=int,
            metavar="N",
            help="how many emulated bare-metal nodes, each with a BMC and a ramdisk (default: 0)",
        )
        parser.add_argument(
            "--without",
            metavar="SERVICE,...",
            help="leave services out: "
            + ", ".join(c.name for c in services.CLASSES if c is not services.Keystone),
        )
        return parser

    def take_action(self, arguments: argparse.Namespace) -> None:
        """Bring it up, with a line for each thing that happens."""
        began = time.monotonic()

        def report(service: str, text: str) -> None:
            print(f"{time.monotonic() - began:6.1f} s  {service:16} {text}", flush=True)

        undercloud = _undercloud(arguments, report)
        fresh = undercloud.up(
            ports=arguments.ports,
            regions=arguments.regions,
            nodes=arguments.nodes,
            without=None
            if arguments.without is None
            else [name.strip() for name in arguments.without.split(",") if name.strip()],
        )
        where = undercloud.directory.root
        if fresh:
            print(f"The undercloud in {where} is up. To use it:")
        else:
            print(f"The undercloud in {where} is running already. To use it:")
        print(f'  eval "$({Path(sys.argv[0])} env --state-dir {shlex.quote(str(where))})"')


class Down(_Base, command.Command):  # type: ignore[misc]
    """Stop the undercloud. All its data stays; "up" brings it back."""

    def take_action(self, arguments: argparse.Namespace) -> None:
        """Stop it."""
        undercloud = _undercloud(arguments)
        stopped = undercloud.down()
        where = undercloud.directory.root
        if stopped:
            print(f"The undercloud in {where} is down: {len(stopped)} processes have ended.")
        else:
            print(f"No undercloud is running in {where}.")


class Status(_Base, lister.Lister):  # type: ignore[misc]
    """Show each process: its URL, whether it works, and its memory."""

    def take_action(self, arguments: argparse.Namespace) -> Any:
        """Return the table."""
        rows = _undercloud(arguments).status()
        self.app.exit_code = 0 if all(row.healthy for row in rows) else 1
        return (
            ("Service", "URL", "PID", "Healthy", "Memory (MiB)"),
            [(r.service, r.url, r.pid, r.healthy, r.memory_mib) for r in rows],
        )


class _Words(columns.FormattableColumn):  # type: ignore[misc]
    """A list; words in a table."""

    def human_readable(self) -> str:
        """Return the words."""
        return " ".join(self._value)


class Nodes(_Base, lister.Lister):  # type: ignore[misc]
    """Show the emulated bare-metal nodes."""

    def take_action(self, arguments: argparse.Namespace) -> Any:
        """Return the table."""
        nodes = _undercloud(arguments).bmc().nodes()
        return (
            ("Name", "System", "MAC addresses", "Shape", "Fault"),
            [(n.name, n.uuid, _Words(list(n.macs)), n.shape, n.fault) for n in nodes],
        )


class Instackenv(_Base, command.Command):  # type: ignore[misc]
    """Print the emulated nodes as a list to register. It holds the password of their BMCs."""

    def take_action(self, arguments: argparse.Namespace) -> None:
        """Print it."""
        print(json.dumps(_undercloud(arguments).bmc().instackenv(), indent=2))


class Env(_Base, command.Command):  # type: ignore[misc]
    """Print what clients need to use the undercloud."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the options."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--format",
            choices=["shell", "clouds.yaml"],
            default="shell",
            help="export lines for a shell (default), or a file for openstacksdk",
        )
        parser.add_argument("--region", help="the region to use (default: the first)")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> None:
        """Print it."""
        undercloud = _undercloud(arguments)
        auth = undercloud.credentials(arguments.region)
        if arguments.format == "clouds.yaml":
            clouds = undercloud.directory.clouds(arguments.region)
            print(yaml.safe_dump(clouds, sort_keys=False), end="")
            return
        for name, value in auth.items():
            print(f"export OS_{name.upper()}={shlex.quote(value)}")
        print("export OS_IDENTITY_API_VERSION=3")
        print("export OS_AUTH_TYPE=password")
        programs = str(Path(sys.executable).parent)
        if programs not in os.environ.get("PATH", "").split(os.pathsep):
            # So that the mistral, openstack and swift commands of this environment are found.
            print(f"export PATH={shlex.quote(programs)}:$PATH")


class Logs(_Base, command.Command):  # type: ignore[misc]
    """Show the end of a service's logs."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the options."""
        parser = super().get_parser(prog_name)
        parser.add_argument("service", metavar="SERVICE", help='a name that "status" shows')
        parser.add_argument("--lines", type=int, default=100, help="how many (default: 100)")
        parser.add_argument("--follow", action="store_true", help="go on as the log grows")
        return parser

    def take_action(self, arguments: argparse.Namespace) -> None:
        """Hand over to tail, which knows all about this."""
        directory = state.StateDir(arguments.state_dir)
        logs = {path.stem: path for path in sorted(directory.log("x").parent.glob("*.log"))}
        chosen = [
            str(path)
            for name, path in logs.items()
            if name == arguments.service or name.startswith(f"{arguments.service}-")
        ]
        if not chosen:
            raise exceptions.UndercloudError(
                f"There is no log of {arguments.service!r} in {directory.root}. There are logs "
                f"of: {exceptions.one_of(logs)}."
            )
        follow = ["-F"] if arguments.follow else []
        tail = ["tail", "-n", str(arguments.lines), *follow, "--", *chosen]
        os.execvp(tail[0], tail)  # noqa: S606


class _App(app.App):  # type: ignore[misc]
    exit_code = 0

    def __init__(self) -> None:
        manager = commandmanager.CommandManager("tripleo_common.undercloud")
        for name, cls in (
            ("up", Up),
            ("down", Down),
            ("status", Status),
            ("nodes", Nodes),
            ("instackenv", Instackenv),
            ("env", Env),
            ("logs", Logs),
        ):
            manager.add_command(name, cls)
        super().__init__(
            description="A whole undercloud of real OpenStack services, without root.",
            version="1",
            command_manager=manager,
            deferred_help=True,
        )


def main() -> int:
    """Run the command; an error is one sentence and exit code 1."""
    os.umask(0o077)
    # As Ctrl-C: an "up" that is told to end stops what it has started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    undercloud = _App()
    try:
        code = undercloud.run(sys.argv[1:])
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    return code or undercloud.exit_code


if __name__ == "__main__":
    sys.exit(main())
