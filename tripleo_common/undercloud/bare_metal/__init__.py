"""Emulated bare metal: what ``tripleo-undercloud up --nodes N`` gives Ironic to work with.

``nodes`` is the file that says which machines there are; ``shapes`` is the hardware in them;
``ramdisk`` is what runs on one while its power is on. Their BMCs are served by
:mod:`tripleo_common.undercloud.servers.bmc`.
"""
