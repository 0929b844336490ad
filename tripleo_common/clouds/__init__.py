"""Where calls go: the one place that builds sessions and clients.

:func:`open_home` gives the cloud of the request (its Mistral holds the plan environments);
:func:`open_cloud` the one that the inputs ``cloud`` and ``action_region`` name.
"""

from tripleo_common.clouds.cloud import Cloud, open_cloud, open_home
from tripleo_common.clouds.deadline import Deadline
from tripleo_common.clouds.errors import translate

__all__ = ["Cloud", "Deadline", "open_cloud", "open_home", "translate"]
