"""Parts of the installed Ironic, imported so that its options are not among Mistral's.

Both register options of the same names with oslo.config's one global object, and tests of both run
in one process.
"""

from unittest import mock

from oslo_config import cfg

with mock.patch.object(cfg, "CONF", cfg.ConfigOpts()):
    from ironic.api.controllers.v1 import node, port
    from ironic.common import args, exception, utils
    from ironic.drivers.modules import deploy_utils, ipmitool
    from ironic.drivers.modules.redfish import utils as redfish_utils

__all__ = [
    "args",
    "deploy_utils",
    "exception",
    "ipmitool",
    "node",
    "port",
    "redfish_utils",
    "utils",
]
