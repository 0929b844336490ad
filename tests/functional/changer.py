"""Change a plan outside of Mistral, and be killed before one of the writes.

Usage: ``python -m tests.functional.changer STATE_DIR PLAN old|new|read KILL_AT``

KILL_AT counts requests that write, from 1; 0 is for none. What the plan is then is printed as JSON.
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path

import requests.adapters
from oslo_config import cfg

from bench import common
from tripleo_common import clouds, config
from tripleo_common.plan import changes, plans
from tripleo_common.undercloud import lifecycle, state

OLD = {"parameters": {"P1": 1}, "suffix": ""}
NEW = {"parameters": {"P1": 2, "P2": 3}, "suffix": "# new\n"}


def kill_before_write(number):
    """End this process before one of the requests that write, whichever client makes it."""
    send = requests.adapters.HTTPAdapter.send
    lock = threading.Lock()
    written = 0

    def counting(adapter, request, **options):
        nonlocal written
        if request.method in ("PUT", "POST", "DELETE") and "/auth/tokens" not in request.url:
            with lock:
                written += 1
                if written == number:
                    os.kill(os.getpid(), signal.SIGKILL)
        return send(adapter, request, **options)

    requests.adapters.HTTPAdapter.send = counting


def main():
    root, plan, what, kill_at = sys.argv[1:]
    undercloud = lifecycle.Undercloud(state.StateDir(Path(root)))
    config.options()
    keys = next(Path(root).glob("etc/*/encryption-keys"))
    cfg.CONF.set_override("encryption_keys_file", str(keys), config.GROUP)
    reach = clouds.Clouds(common.security(undercloud), None, clouds.Deadline(600))
    project = plans.Plans(reach)
    wanted = OLD if what == "old" else NEW

    def edit(candidate):
        candidate.variables["parameter_defaults"] = dict(wanted["parameters"])
        registry = candidate.files["registry.yaml"].decode().removesuffix("# new\n")
        candidate.files["registry.yaml"] = (registry + wanted["suffix"]).encode()
        if what == "new":
            candidate.files["more/added.yaml"] = b"a: 1\n"
        else:
            candidate.files.pop("more/added.yaml", None)

    if what != "read":
        kill_before_write(int(kill_at))
        project.change(plan, changes.Change("tripleo.plan.update", wait=60), edit)
    found = project.read(plan)
    parameters = found.variables["parameter_defaults"]
    sys.stdout.write(json.dumps({"files": found.files.hashes, "parameters": parameters}))


if __name__ == "__main__":
    main()
