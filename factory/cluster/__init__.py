"""Cluster: what a run asks of the machines it runs on, what it gets, and what it keeps up on them.

`demand` lists what a run's actors ask for; `fit` makes sure, before the graph starts, that the least of them find a
place side by side; `services` keeps up what workers reach over the network; `waiting` says in words what no machine
holds; `usage` looks at what is held; `metrics_sink` takes numbers to Prometheus. `guard` runs alone,
beside a worker's Ray: it drains a machine that the cloud takes back, and powers off one that has lost its head.

The room knows Ray, recipes and how services are started. It knows no row: what flows through them is `graph`'s and the
stages'. Only `pipeline` and the jobs import it.
"""
