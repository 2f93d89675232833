"""The programs read every variable that the chart sets."""

import pytest
from pydantic_settings import BaseSettings

from tests.unit.chart.renders import (
    VARIANTS,
    Document,
    Values,
    container,
    pod_templates,
    render,
)
from wherry_api.settings import ApiSettings
from wherry_core.settings import LifetimeSettings, LogSettings, RedisSettings, StoreSettings
from wherry_jobrunner.archive.settings import ArchiveSettings
from wherry_jobrunner.settings import RunnerSettings
from wherry_operator.settings import OperatorSettings

SHARED: tuple[type[BaseSettings], ...] = (
    RedisSettings,
    StoreSettings,
    LifetimeSettings,
    LogSettings,
)
READ_BY_THE_SDK = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_CA_BUNDLE",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
}
SECRET = "from-a-secret"


def environment(pod: Document, name: str) -> dict[str, str]:
    """Return a container's environment variables."""
    found = {}
    for each in container(pod, name)["env"]:
        source = each.get("valueFrom", {})
        if "secretKeyRef" in source:
            found[each["name"]] = "redis://redis" if "URL" in each["name"] else SECRET
        elif "fieldRef" in source:
            assert source["fieldRef"]["fieldPath"] == "metadata.namespace"
            found[each["name"]] = "wherry"
        else:
            found[each["name"]] = each["value"]
    return found


def names_of(settings: type[BaseSettings]) -> set[str]:
    """Return the variables that a settings class reads."""
    prefix = settings.model_config.get("env_prefix") or ""
    return {
        str(field.validation_alias or f"{prefix}{name}").upper()
        for name, field in settings.model_fields.items()
    }


def pods(values: Values) -> dict[str, Document]:
    """Return the pod templates of a render by program."""
    return {name.removeprefix("wherry-"): pod for name, pod in pod_templates(render(values))}


OWN: dict[str, tuple[type[BaseSettings], ...]] = {
    "api": (ApiSettings,),
    "operator": (OperatorSettings,),
    "runner": (RunnerSettings, ArchiveSettings),
}
programs = pytest.mark.parametrize("program", sorted(OWN))
PLAIN = [name for name in VARIANTS if name not in {"long names", "no pool"}]
variants = pytest.mark.parametrize("values", [VARIANTS[name] for name in PLAIN], ids=PLAIN)


@programs
@variants
def test_every_variable_is_read_and_every_value_accepted(
    monkeypatch: pytest.MonkeyPatch, program: str, values: Values
) -> None:
    found = environment(pods(values)[program], program)
    known = READ_BY_THE_SDK.union(*(names_of(each) for each in (*SHARED, *OWN[program])))
    assert set(found) <= known
    if program == "runner":
        monkeypatch.setenv("WHERRY_RUNNER_NAME", "set-by-the-operator")
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    for settings in (*SHARED, *OWN[program]):
        settings()


def test_a_single_operator_replica_uses_no_lease() -> None:
    for values, elected in (({"operator": {"replicas": 1}}, "false"), ({}, "true")):
        pod = pods(values)["operator"]
        assert environment(pod, "operator")["WHERRY_LEADER_ELECTION"] == elected


@pytest.mark.parametrize(
    ("values", "namespaces", "default"),
    [
        ({}, "wherry", "wherry"),
        ({"tenants": ["b", "a"]}, "a,b", "b"),
        ({"tenants": ["b", "a"], "api": {"defaultTenant": "a"}}, "a,b", "a"),
        ({"clusterWide": True}, "*", "wherry"),
    ],
)
def test_tenants(values: Values, namespaces: str, default: str) -> None:
    found = pods(values)
    for program in ("api", "operator"):
        variables = environment(found[program], program)
        assert variables["WHERRY_TENANT_NAMESPACES"] == namespaces
    assert environment(found["api"], "api")["WHERRY_DEFAULT_TENANT"] == default


def test_credentials_come_from_secrets() -> None:
    found = pods(VARIANTS["secrets"])
    for program in ("api", "operator", "runner"):
        variables = environment(found[program], program)
        assert variables["REDIS_PASSWORD"] == SECRET
        assert variables["AWS_SECRET_ACCESS_KEY"] == SECRET
    own = pods(VARIANTS["everything extra"])["runner"]
    names = {
        each["valueFrom"]["secretKeyRef"]["name"]
        for each in container(own, "runner")["env"]
        if "secretKeyRef" in each.get("valueFrom", {})
    }
    assert names == {"own-s3"}


def test_redis_keys_carry_the_release() -> None:
    """Runners get the variable from the operator, not from the chart."""
    found = pods({})
    for program, release in (
        ("api", "wherry/wherry"),
        ("operator", "wherry/wherry"),
        ("runner", None),
    ):
        assert environment(found[program], program).get("WHERRY_RELEASE") == release


def test_a_url_replaces_the_other_redis_settings() -> None:
    variables = environment(pods(VARIANTS["redis url"])["api"], "api")
    assert variables["WHERRY_REDIS_URL"]
    assert not {"REDIS_HOST", "REDIS_PORT", "REDIS_DB", "REDIS_PASSWORD"} & set(variables)


def test_the_programs_use_the_embedded_redis() -> None:
    variables = environment(pods(VARIANTS["embedded redis"])["api"], "api")
    assert (variables["REDIS_HOST"], variables["REDIS_PORT"]) == ("wherry-redis", "6379")


@pytest.mark.parametrize(("grace", "own"), [(60, "50"), (10, "0"), (5, "0")])
def test_a_runner_hands_its_jobs_back_before_it_is_killed(grace: int, own: str) -> None:
    pod = pods({"runner": {"terminationGracePeriodSeconds": grace}})["runner"]
    assert environment(pod, "runner")["WHERRY_STOP_GRACE_SECONDS"] == own
    assert pod["spec"]["terminationGracePeriodSeconds"] == grace
