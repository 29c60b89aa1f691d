"""A Kubernetes API in memory, as far as helm needs one: it keeps objects, tells of them, and runs Jobs and Pods.

It is no Kubernetes: nothing is validated and nobody is turned away. Where `KUBECONFIG` names a cluster, that is used instead.
"""
