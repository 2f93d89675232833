"""The fixed names and addresses of the local cluster's node.

Everything is on the bridge's own address: the machine and the pods reach it there, and nobody
outside does.
"""

from __future__ import annotations

BRIDGE = "wherry0"
NODE_NAME = "wherry"
# Linux keeps a comment with a network link; this one says that the bridge is ours.
BRIDGE_ALIAS = "wherry local cluster"

POD_RANGE = "10.244.0.0/24"
GATEWAY = "10.244.0.1"
SERVICE_RANGE = "10.96.0.0/16"
FIRST_SERVICE_ADDRESS = "10.96.0.1"
DNS_SERVICE_ADDRESS = "10.96.0.10"
CLUSTER_DOMAIN = "cluster.local"

API_PORT = 6443
REDIS_PORT = 6379
STORE_PORT = 8333
# What the chart's Service gives to http://localhost:3000.
WEB_PORT = 3000
