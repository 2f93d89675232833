"""Ingress, routes, Services, and the network access of the pods."""

from tests.unit.chart.renders import (
    OTHER_KINDS,
    SERVICE_MONITOR,
    VARIANTS,
    container,
    find,
    pod_templates,
    render,
)


def test_the_ingress_does_not_buffer_or_cut_off_streams() -> None:
    ingress = find(render(VARIANTS["ingress"]), "Ingress", "wherry-api")
    assert ingress["metadata"]["annotations"] == {
        "nginx.ingress.kubernetes.io/proxy-buffering": "off",
        "nginx.ingress.kubernetes.io/proxy-read-timeout": "3600",
    }
    (rule,) = ingress["spec"]["rules"]
    assert rule["host"] == "downloads.example.com"
    assert rule["http"]["paths"][0]["backend"]["service"] == {
        "name": "wherry-api",
        "port": {"name": "http"},
    }


def test_the_http_route_has_no_timeout() -> None:
    route = find(render(OTHER_KINDS), "HTTPRoute", "wherry-api")
    (rule,) = route["spec"]["rules"]
    assert rule["timeouts"] == {"request": "0s"}
    assert rule["backendRefs"] == [{"name": "wherry-api", "port": 3000}]


def test_the_service_has_port_3000_and_the_configured_node_port() -> None:
    (port,) = find(render({}), "Service", "wherry-api")["spec"]["ports"]
    assert port == {"name": "http", "port": 3000, "targetPort": "http"}
    (port,) = find(render(VARIANTS["node port"]), "Service", "wherry-api")["spec"]["ports"]
    assert port["nodePort"] == 30300


def test_metrics_are_not_on_the_public_port() -> None:
    template = dict(pod_templates(render({})))["wherry-api"]
    ports = {each["name"]: each["containerPort"] for each in container(template, "api")["ports"]}
    assert ports == {"http": 3000, "metrics": 9090}


def test_a_pod_monitor_names_ports_that_the_pods_have() -> None:
    documents = render(OTHER_KINDS)
    monitor = find(documents, "PodMonitor", "wherry")["spec"]
    assert not [each for each in documents if each["metadata"]["name"].endswith("-metrics")]
    ports = {
        port["name"]
        for name, template in pod_templates(documents)
        if "test" not in name
        for each in template["spec"]["containers"]
        for port in each["ports"]
    }
    assert {each["port"] for each in monitor["podMetricsEndpoints"]} <= ports


def test_a_service_monitor_scrapes_each_pod_once() -> None:
    documents = render(SERVICE_MONITOR)
    monitor = find(documents, "ServiceMonitor", "wherry")["spec"]
    (endpoint,) = monitor["endpoints"]
    services = {
        each["metadata"]["name"]: each
        for each in documents
        if each["kind"] == "Service"
        and monitor["selector"]["matchLabels"].items() <= each["metadata"]["labels"].items()
    }
    assert set(services) == {f"wherry-{each}-metrics" for each in ("api", "operator", "runner")}
    templates = dict(pod_templates(documents))
    for name, service in services.items():
        (port,) = service["spec"]["ports"]
        assert port["name"] == endpoint["port"]
        assert service["spec"]["clusterIP"] == "None"
        program = name.removeprefix("wherry-").removesuffix("-metrics")
        template = templates["runner" if program == "runner" else f"wherry-{program}"]
        assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
        ports = {
            each["name"]: each["containerPort"] for each in container(template, program)["ports"]
        }
        assert ports[port["targetPort"]] == port["port"]


def test_the_api_listens_on_ipv6() -> None:
    documents = render(VARIANTS["ipv6"])
    env = container(dict(pod_templates(documents))["wherry-api"], "api")["env"]
    assert {"name": "WHERRY_HTTP_HOST", "value": "::"} in env
    service = find(documents, "Service", "wherry-api")
    assert service["spec"]["ipFamilyPolicy"] == "SingleStack"
    assert service["metadata"]["labels"]["expose"] == "yes"


def test_an_autoscaler_by_streams_has_no_other_metric() -> None:
    scaler = find(render(VARIANTS["scaled by streams"]), "HorizontalPodAutoscaler", "wherry-api")
    (metric,) = scaler["spec"]["metrics"]
    assert metric["pods"] == {
        "metric": {"name": "wherry_api_streams"},
        "target": {"type": "AverageValue", "averageValue": "2000"},
    }


def test_only_wherry_s_pods_reach_the_embedded_redis() -> None:
    policy = find(render(VARIANTS["embedded redis"]), "NetworkPolicy", "wherry-redis")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert "egress" not in policy
    (rule,) = policy["ingress"]
    assert rule["from"] == [
        {
            "podSelector": {
                "matchLabels": {
                    "app.kubernetes.io/name": "wherry",
                    "app.kubernetes.io/instance": "wherry",
                }
            }
        }
    ]


def test_runners_and_operator_accept_connections_only_on_the_health_port() -> None:
    documents = render({})
    for component in ("operator", "runner"):
        policy = find(documents, "NetworkPolicy", f"wherry-{component}")["spec"]
        assert policy["policyTypes"] == ["Ingress"]
        assert policy["ingress"] == [{"ports": [{"port": "health"}]}]


def test_egress_is_limited_to_the_configured_destinations() -> None:
    documents = render(VARIANTS["egress"])
    policy = find(documents, "NetworkPolicy", "wherry-runner")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert [
        ([each["port"] for each in rule["ports"]], rule.get("to")) for rule in policy["egress"]
    ] == [
        ([53, 53], None),
        ([443, 6443], None),
        ([6379], [{"ipBlock": {"cidr": "10.1.0.0/16"}}]),
        ([443, 8333], [{"ipBlock": {"cidr": "10.2.0.0/16"}}]),
        ([4318], None),
    ]


def test_budgets_exist_only_with_a_second_pod() -> None:
    def budgets(name: str) -> set[str]:
        return {
            each["metadata"]["name"]
            for each in render(VARIANTS[name])
            if each["kind"] == "PodDisruptionBudget"
        }

    assert budgets("one of each") == set()
    assert budgets("minimal") == {"wherry-api", "wherry-operator"}
    assert budgets("high availability") == {"wherry-api", "wherry-operator"}


def test_the_autoscaler_sets_the_replicas() -> None:
    documents = render(VARIANTS["high availability"])
    assert "replicas" not in find(documents, "Deployment", "wherry-api")["spec"]
    scaler = find(documents, "HorizontalPodAutoscaler", "wherry-api")["spec"]
    assert scaler["scaleTargetRef"]["name"] == "wherry-api"
    assert scaler["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 300


def test_a_single_operator_is_replaced_and_two_roll() -> None:
    alone = find(render(VARIANTS["one of each"]), "Deployment", "wherry-operator")["spec"]
    assert alone["replicas"] == 1
    assert alone["strategy"]["rollingUpdate"] == {"maxUnavailable": 1, "maxSurge": 0}
    two = find(render({}), "Deployment", "wherry-operator")["spec"]
    assert two["replicas"] == 2
    assert two["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
