"""What jobs take up in etcd."""
