"""Typed settings: what the YAML file and the environment may say, checked before anything starts.

Each topic has a module. :mod:`sidecar.settings.load` reads them, :mod:`sidecar.settings.root` is their root,
:mod:`sidecar.settings.route_table` finds the route of a request, :mod:`sidecar.settings.unserved` tells what this
version understands but does not serve.
"""
