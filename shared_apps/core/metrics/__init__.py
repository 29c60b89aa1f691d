"""What the product counts, for Prometheus (docs/observability.md).

An app declares its own in `metrics.py`: `Counter` and `Histogram` of prometheus_client at module level,
named `freehold_…`; `Gauge` with `multiprocess_mode` "livesum" or "livemax". What lies in a database or in
Redis is asked for when somebody looks, by a function that is registered with `stored.register`.

A label has few values, which the code knows: never an id, an address or a name that somebody typed. For
tenants there is `tenant_label`.
"""
