"""Ironic: the nodes that clouds are deployed on.

Functions from data to data are ``drivers`` and ``node_data`` (what users write about nodes),
``states`` (what provision states mean), ``inventory`` (what a ramdisk found), ``root_device`` and
``matching`` (which nodes serve which role). ``nodes`` asks and changes Ironic's nodes, ``images``
finds deploy images, ``registration`` brings a list of nodes into Ironic, ``runs`` moves many nodes
from state to state, ``introspection`` has them looked at.
"""
