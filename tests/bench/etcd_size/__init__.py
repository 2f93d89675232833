"""Size of jobs in etcd."""
