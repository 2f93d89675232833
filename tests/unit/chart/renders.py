"""Render the chart with the real helm, and the values that the tests use."""

import copy
import json
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from localcluster import assets

Values = dict[str, Any]
Document = dict[str, Any]

ROOT: Final = Path(__file__).resolve().parents[3]
CHART: Final = ROOT / "deploy" / "helm" / "wherry"
RELEASE: Final = "wherry"
NAMESPACE: Final = "wherry"

MINIMAL: Final[Values] = {
    "image": {"repository": "registry.example.com/wherry"},
    "redis": {"host": "redis.example.com"},
    "s3": {"sourceBucket": "my-files", "archiveBucket": "my-archives"},
    "api": {"auth": {"mode": "none"}},
}
"""The minimum that the chart requires, with an external Redis and S3 store."""

_PLACEMENT: Final[Values] = {
    "podLabels": {"team": "files"},
    "podAnnotations": {"example.com/scrape": "true"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "kubernetes.io/arch", "operator": "Exists"}]}
                ]
            }
        }
    },
}
_EXTRAS: Final[Values] = {
    **_PLACEMENT,
    "priorityClassName": "system-cluster-critical",
    "runtimeClassName": "gvisor",
    "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["redis.example.com"]}],
    "dnsPolicy": "None",
    "dnsConfig": {"nameservers": ["10.0.0.2"]},
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
    "s3ExistingSecret": "own-s3",
    "serviceAccount": {
        "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/x"},
    },
    "extraEnv": [{"name": "WHERRY_LOG_LEVEL", "value": "debug"}],
    "extraEnvFrom": [{"configMapRef": {"name": "more"}}],
    "extraVolumes": [{"name": "more", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
    "extraContainers": [
        {
            "name": "sidecar",
            "image": "example.com/sidecar:1",
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            },
        }
    ],
    "extraInitContainers": [
        {
            "name": "init",
            "image": "example.com/init:1",
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            },
        }
    ],
}

VARIANTS: Final[Mapping[str, Values]] = {
    "minimal": {},
    "secrets": {
        "redis": {"existingSecret": "redis"},
        "s3": {"existingSecret": "s3", "endpointUrl": "http://s3.example.com:8333"},
    },
    "redis url": {
        "redis": {"host": "", "existingSecret": "redis", "existingSecretUrlKey": "url"},
    },
    "embedded redis": {"redis": {"host": "", "embedded": {"enabled": True}}},
    "embedded redis with a password": {
        "redis": {
            "host": "",
            "existingSecret": "redis",
            "embedded": {
                "enabled": True,
                "nodeSelector": _PLACEMENT["nodeSelector"],
                "tolerations": _PLACEMENT["tolerations"],
            },
        }
    },
    "tenants": {"tenants": ["team-b", "team-a"]},
    "tenants and the release": {"tenants": ["wherry", "team-a"]},
    "cluster-wide": {"clusterWide": True},
    "user roles": {"rbac": {"aggregateToUserRoles": True}},
    "no rbac": {"rbac": {"create": False}},
    "no crds": {"crds": {"enabled": False}},
    "crds that are not kept": {"crds": {"keep": False}},
    "no pool": {"defaultPool": {"create": False}},
    "one of each": {"api": {"replicas": 1}, "operator": {"replicas": 1}},
    "high availability": {
        "api": {"replicas": 3, "autoscaling": {"enabled": True}},
        "operator": {"replicas": 3},
    },
    "scaled by streams": {
        "api": {
            "autoscaling": {
                "enabled": True,
                "targetCPUUtilizationPercentage": None,
                "targetStreams": 2_000,
            }
        }
    },
    "ipv6": {
        "api": {
            "host": "::",
            "service": {
                "ipFamilyPolicy": "SingleStack",
                "ipFamilies": ["IPv4"],
                "labels": {"expose": "yes"},
            },
        }
    },
    "kubernetes tokens": {"api": {"auth": {"mode": "kubernetes"}}, "tenants": ["team-a"]},
    "oidc": {
        "api": {
            "auth": {
                "mode": "oidc",
                "oidc": {"issuer": "https://id.example.com", "audience": "wherry"},
            }
        }
    },
    "oidc over http": {
        "api": {
            "auth": {
                "mode": "oidc",
                "oidc": {
                    "issuer": "http://id.example.com",
                    "audience": "wherry",
                    "jwksUrl": "http://id.example.com/keys",
                    "allowHttp": True,
                },
            }
        }
    },
    "api keys": {"api": {"auth": {"mode": "api-keys", "apiKeys": {"existingSecret": "keys"}}}},
    "node port": {"api": {"service": {"type": "NodePort", "nodePort": 30300}}},
    "load balancer": {
        "api": {
            "service": {
                "type": "LoadBalancer",
                "externalTrafficPolicy": "Local",
                "loadBalancerSourceRanges": ["10.0.0.0/8"],
                "annotations": {"example.com/internal": "true"},
            }
        }
    },
    "ingress": {
        "api": {
            "ingress": {
                "enabled": True,
                "className": "nginx",
                "host": "downloads.example.com",
                "tls": [{"hosts": ["downloads.example.com"], "secretName": "tls"}],
            }
        }
    },
    "egress": {
        "networkPolicy": {
            "apiFrom": [{"namespaceSelector": {"matchLabels": {"team": "web"}}}],
            "metricsFrom": [{"podSelector": {"matchLabels": {"app": "prometheus"}}}],
            "egress": {
                "enabled": True,
                "redis": [{"ipBlock": {"cidr": "10.1.0.0/16"}}],
                "s3": [{"ipBlock": {"cidr": "10.2.0.0/16"}}],
                "s3Ports": [443, 8333],
                "extra": [{"ports": [{"port": 4318}]}],
            },
        }
    },
    "no network policies": {"networkPolicy": {"enabled": False}},
    "catalogue": {
        "catalogue": {"url": "https://catalogue.example.com/files", "existingSecret": "catalogue"}
    },
    "tenants' own files": {"s3": {"sourceKeyTemplate": "files/{tenant}/{id}"}},
    "trusted ca": {"trustedCa": {"configMap": "our-ca"}},
    "grafana dashboard": {
        "metrics": {
            "grafanaDashboard": {"enabled": True, "annotations": {"grafana_folder": "Wherry"}}
        }
    },
    "tracing": {"tracing": {"endpoint": "http://collector.tracing:4318"}},
    "everything extra": {
        "commonLabels": {"team": "files"},
        "global": {"imagePullSecrets": [{"name": "the-parent-s"}, {"name": "registry"}]},
        "imagePullSecrets": [{"name": "registry"}],
        "revisionHistoryLimit": 1,
        "extraObjects": [
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {
                    "name": "{{ .Release.Name }}-more",
                    "namespace": "{{ .Release.Namespace }}",
                    "labels": {
                        "app.kubernetes.io/name": "wherry",
                        "app.kubernetes.io/instance": "wherry",
                    },
                },
                "data": {"created": "by the admin"},
            }
        ],
        "image": {"digest": "sha256:" + "0" * 64},
        "api": {
            **_EXTRAS,
            "annotations": {"a": "b"},
            "publicUrl": "https://downloads.example.com",
            "allowedHosts": ["downloads.example.com", "wherry-api.wherry"],
            "corsOrigins": ["https://app.example.com", "https://www.example.com"],
        },
        "operator": {**_EXTRAS, "annotations": {"a": "b"}},
        "runner": {
            **_EXTRAS,
            "schedulerName": "our-scheduler",
            "downloadDelay": {"enabled": True, "minMs": 1, "maxMs": 2},
        },
    },
    "long names": {"fullnameOverride": "a-very-long-name-" + "x" * 80, "nameOverride": "other"},
    "a subchart": {"global": {"anything": ["that", "a", "parent", "chart", "passes"]}},
}

_MONITOR: Final[Values] = {
    "enabled": True,
    "labels": {"release": "prometheus"},
    "annotations": {"example.com/owner": "files"},
    "scrapeTimeout": "10s",
    "relabelings": [{"action": "replace", "targetLabel": "cluster", "replacement": "one"}],
    "metricRelabelings": [{"action": "drop", "sourceLabels": ["__name__"], "regex": "python_.*"}],
}
OTHER_KINDS: Final[Values] = {
    "metrics": {
        "podMonitor": _MONITOR,
        "prometheusRule": {
            "enabled": True,
            "labels": {"release": "prometheus"},
            "annotations": {"example.com/owner": "files"},
            "runbookUrl": "https://docs.example.com/alerts/",
        },
    },
    "api": {
        "httpRoute": {
            "enabled": True,
            "parentRefs": [{"name": "gateway", "namespace": "gateways"}],
            "hostnames": ["downloads.example.com"],
        }
    },
}
"""Kinds of the Gateway API and the Prometheus operator, which a plain API server does not have."""
SERVICE_MONITOR: Final[Values] = {"metrics": {"serviceMonitor": _MONITOR}}
"""A ServiceMonitor in place of the PodMonitor."""


def merged(values: Values, more: Values) -> Values:
    """Return a deep merge of ``values`` and ``more``, which wins."""
    result = dict(values)
    for key, value in more.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def helm(*words: str, values: Values | None = None) -> subprocess.CompletedProcess[str]:
    """Run helm with ``values`` merged into the minimal ones on standard input."""
    command = [str(assets.program("helm")), *words]
    if values is not None:
        command += ["--values", "-"]
    return subprocess.run(
        command,
        input=json.dumps(merged(MINIMAL, values)) if values is not None else None,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def render_uncached(values: Values) -> str:
    """Return the output of `helm template` for ``values`` merged into the minimal ones."""
    done = helm("template", RELEASE, str(CHART), "-n", NAMESPACE, values=values)
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def _render_once(values: str) -> str:
    return render_uncached(json.loads(values))


def render_text(values: Values) -> str:
    """Return the same as ``render_uncached``, cached."""
    return _render_once(json.dumps(values, sort_keys=True))


@cache
def _parse_once(values: str) -> list[Document]:
    documents = yaml.load_all(_render_once(values), Loader=yaml.CSafeLoader)
    return [each for each in documents if each]


def render(values: Values) -> list[Document]:
    """Return the rendered objects for ``values`` merged into the minimal ones."""
    return copy.deepcopy(_parse_once(json.dumps(values, sort_keys=True)))


def refusal(values: Values) -> str:
    """Return helm's error message for ``values`` merged into the minimal ones."""
    done = helm("template", RELEASE, str(CHART), "-n", NAMESPACE, values=values)
    assert done.returncode != 0, "the values were accepted"
    return done.stderr


def find(documents: list[Document], kind: str, name: str) -> Document:
    """Return the only object of this kind and name."""
    (found,) = [
        each for each in documents if (each["kind"], each["metadata"]["name"]) == (kind, name)
    ]
    return found


def pool_of(documents: list[Document]) -> Document:
    """Return the RunnerPool that the operator's pod applies."""
    (config_map,) = [each for each in documents if is_pool_config_map(each)]
    pool: Document = json.loads(config_map["data"]["pool.json"])
    return pool


def is_pool_config_map(document: Document) -> bool:
    """Return whether this is the ConfigMap with the default RunnerPool."""
    return document["kind"] == "ConfigMap" and "pool.json" in document["data"]


def pod_templates(documents: list[Document]) -> Iterator[tuple[str, Document]]:
    """Yield the name and the pod template of every object that creates pods."""
    for each in documents:
        if each["kind"] == "Deployment":
            yield each["metadata"]["name"], each["spec"]["template"]
        elif each["kind"] == "Pod":
            yield each["metadata"]["name"], each
    if any(is_pool_config_map(each) for each in documents):
        yield "runner", pool_of(documents)["spec"]["template"]


def container(template: Document, name: str) -> Document:
    """Return the container with this name in a pod template."""
    (found,) = [each for each in template["spec"]["containers"] if each["name"] == name]
    return dict(found)
