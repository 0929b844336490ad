"""OpenStack actions that are generated from methods of the clients, by a mapping."""
