"""Dask clusters of processes on this machine."""

import distributed


def cluster_of(workers):
    """Return a cluster of so many processes, on ports that nobody else has."""
    return distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, dashboard_address=":0"
    )
