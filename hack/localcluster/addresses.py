"""The fixed names and addresses of the local cluster's node.

Every server listens on the bridge's address, which the machine and the pods can reach, and
no other host can.
"""

from __future__ import annotations

BRIDGE = "wherry0"
NODE_NAME = "wherry"
# Linux stores an alias with a network link; this one marks the bridge as ours.
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
# The port of http://localhost:3000, a NodePort of the chart's Service.
WEB_PORT = 3000
