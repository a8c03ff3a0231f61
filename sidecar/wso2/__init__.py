"""Configuration for WSO2 gateways, and the OpenAPI definition, made of the route table: text in, text out.

What administrators apply is written here and nowhere by hand: ``sidecar wso2 render`` fills the templates and checks
what comes out before it writes a file. ``wso2-config/`` is its output for an example site.
"""
