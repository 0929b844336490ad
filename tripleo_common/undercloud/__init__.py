"""The embedded undercloud: real OpenStack services as processes of the calling user.

``cli`` is the ``tripleo-undercloud`` command; ``lifecycle`` brings everything up and down in
order; ``services`` holds one module per OpenStack service (its configuration, schema, processes
and health check); ``servers`` is what runs inside those processes where a service has no command
that fits; ``state`` and ``processes`` are the files and the processes underneath.
"""
