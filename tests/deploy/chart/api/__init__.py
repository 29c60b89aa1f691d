"""A Kubernetes API in memory, as far as helm needs one: it keeps objects, tells of them, and runs Jobs and Pods.

It is no Kubernetes: nothing is validated and nobody is turned away. On a real one: test_real_cluster.py.
"""
