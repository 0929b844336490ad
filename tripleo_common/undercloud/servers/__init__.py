"""Programs that run inside the undercloud's processes, one module each."""
