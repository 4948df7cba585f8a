"""Where a module is wanted: this kernel, a remote kernel, the engines of a cluster; each is a `Target`."""
