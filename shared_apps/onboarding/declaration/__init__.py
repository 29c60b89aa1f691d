"""tenants.yaml: what an operator declares, read with line numbers and judged as a whole.

document → a tree with lines · validation → the JSON Schema · rules → what a schema cannot say ·
reading → all of it, ending in specs. Secrets are named (core/references.py) and never written down.
"""
