"""Where calls go: the one place that builds sessions and clients.

:class:`Clouds` opens, for one run of an action, the cloud of the request (its Mistral holds the
plan environments) and those that the inputs ``cloud`` and ``action_region`` name.
"""

from tripleo_common.clouds.cloud import Cloud
from tripleo_common.clouds.clouds import Clouds, check_names
from tripleo_common.clouds.deadline import Deadline
from tripleo_common.clouds.errors import translate

__all__ = ["Cloud", "Clouds", "Deadline", "check_names", "translate"]
