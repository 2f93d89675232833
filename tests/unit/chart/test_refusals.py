"""Values that the chart rejects, and the messages that say what to do."""

import pytest

from tests.unit.chart.renders import Values, refusal


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"image": {"repository": ""}}, "Build the image with the repository's Dockerfile"),
        (
            {"api": {"auth": {"mode": ""}}},
            "api.auth.mode is empty. Set it to kubernetes, oidc or api-keys.",
        ),
        ({"api": {"auth": {"mode": "oidc"}}}, "needs api.auth.oidc.issuer and api.auth.oidc.aud"),
        ({"api": {"auth": {"mode": "api-keys"}}}, "needs api.auth.apiKeys.existingSecret"),
        ({"redis": {"host": ""}}, "No Redis is configured. Set redis.host"),
        ({"redis": {"embedded": {"enabled": True}}}, "Set only one of them"),
        (
            {"redis": {"host": "", "existingSecretUrlKey": "url"}},
            "redis.existingSecret is empty. Set it to the Secret that holds the URL",
        ),
        ({"s3": {"sourceBucket": ""}}, "Set s3.sourceBucket (the bucket with the files)"),
        (
            {"s3": {"archiveBucket": "my-files", "sourceKeyTemplate": "archives/{id}"}},
            "s3.sourceKeyTemplate must not start with s3.archivePrefix",
        ),
        ({"clusterWide": True, "tenants": ["team-a"]}, "Leave tenants empty"),
        (
            {"tenants": ["team-a"], "api": {"defaultTenant": "team-b"}},
            "api.defaultTenant team-b is not one of the tenants (team-a). Add it to tenants",
        ),
        ({"api": {"httpRoute": {"enabled": True}}}, "Set the Gateway to attach to"),
        (
            {
                "metrics": {
                    "podMonitor": {"enabled": True},
                    "serviceMonitor": {"enabled": True},
                }
            },
            "Prometheus would scrape every pod twice",
        ),
        (
            {"api": {"autoscaling": {"enabled": True, "targetCPUUtilizationPercentage": None}}},
            "api.autoscaling has no target. Set",
        ),
        (
            {"api": {"autoscaling": {"enabled": True, "minReplicas": 11}}},
            "must not be greater than api.autoscaling.maxReplicas",
        ),
        ({"defaultPool": {"minRunners": 11}}, "must not be greater than defaultPool.maxRunners"),
        (
            {"runner": {"downloadDelay": {"minMs": 200_000}}},
            "must not be greater than runner.downloadDelay.maxMs",
        ),
        (
            {"api": {"terminationGracePeriodSeconds": 20}},
            "api.terminationGracePeriodSeconds must be greater than",
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_values_that_depend_on_each_other(values: Values, message: str) -> None:
    assert message in refusal(values)


@pytest.mark.parametrize(
    ("values", "where", "message"),
    [
        ({"replicas": 2}, "", "additional properties 'replicas' not allowed"),
        ({"image": {"pullpolicy": "Always"}}, "/image", "'pullpolicy' not allowed"),
        ({"image": {"tag": 1}}, "/image/tag", "got number, want string"),
        ({"image": {"digest": "latest"}}, "/image/digest", "does not match pattern"),
        ({"redis": {"port": 0}}, "/redis/port", "got 0, want 1"),
        ({"redis": {"embedded": {"persistence": {}}}}, "/redis/embedded", "not allowed"),
        ({"s3": {"archivePrefix": "archives"}}, "/s3/archivePrefix", "does not match pattern"),
        ({"s3": {"archivePrefix": "/archives/"}}, "/s3/archivePrefix", "does not match"),
        ({"s3": {"sourceKeyTemplate": "files/"}}, "/s3/sourceKeyTemplate", "does not match"),
        ({"s3": {"sourceKeyTemplate": "{tenant}/{tenant}/{id}"}}, "/s3/sourceKey", "not match"),
        ({"s3": {"endpointUrl": "s3.example.com"}}, "/s3/endpointUrl", "does not match"),
        ({"s3": {"addressingStyle": "dns"}}, "/s3/addressingStyle", "must be one of"),
        ({"tenants": ["Team"]}, "/tenants/0", "does not match pattern"),
        ({"tenants": ["a", "a"]}, "/tenants", "items at 0 and 1 are equal"),
        ({"tenants": "team-a"}, "/tenants", "got string, want array"),
        ({"api": {"replicas": "2"}}, "/api/replicas", "got string, want integer"),
        ({"api": {"auth": {"mode": "basic"}}}, "/api/auth/mode", "must be one of"),
        ({"podMonitor": {"enabled": True}}, "", "'podMonitor' not allowed"),
        ({"metrics": {"podMonitor": {"interval": "1"}}}, "/metrics/podMonitor/interval", "match"),
        ({"api": {"service": {"ipFamilies": ["ipv6"]}}}, "/api/service/ipFamilies/0", "one of"),
        ({"global": {"imagePullSecrets": ["a"]}}, "/global/imagePullSecrets/0", "want object"),
        ({"api": {"service": {"type": "ExternalName"}}}, "/api/service/type", "must be one of"),
        ({"api": {"corsOrigins": ["*"]}}, "/api/corsOrigins/0", "does not match pattern"),
        ({"api": {"podLabels": {"a": True}}}, "/api/podLabels/a", "got boolean, want string"),
        ({"lifetimes": {"presignedUrlSeconds": 901}}, "/lifetimes/presigned", "maximum"),
        ({"lifetimes": {"presignedUrlSeconds": 299}}, "/lifetimes/presigned", "minimum"),
        ({"defaultPool": {"maxRunners": 1001}}, "/defaultPool/maxRunners", "want 1,000"),
        ({"defaultPool": {"concurrency": 0}}, "/defaultPool/concurrency", "minimum"),
        ({"defaultPool": {"name": "Big Pool"}}, "/defaultPool/name", "does not match pattern"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_values_that_the_schema_rejects(values: Values, where: str, message: str) -> None:
    output = refusal(values)
    (line,) = [each for each in output.splitlines() if each.startswith("- at")]
    assert f"- at '{where}" in line
    assert message in line
