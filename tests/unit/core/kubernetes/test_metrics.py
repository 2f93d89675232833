import pytest

from wherry_core.kubernetes import metrics as kubernetes_metrics


@pytest.mark.parametrize(
    ("path", "resource"),
    [
        ("/apis/wherry.dev/v1/namespaces/a/downloadjobs/x/status", "downloadjobs/status"),
        ("/apis/wherry.dev/v1/namespaces/a/downloadjobs/x", "downloadjobs"),
        ("/apis/wherry.dev/v1/downloadjobs", "downloadjobs"),
        ("/api/v1/namespaces/a/pods", "pods"),
        ("/api/v1/namespaces/a", "namespaces"),
        ("/apis/authentication.k8s.io/v1/tokenreviews", "tokenreviews"),
        ("/version", "other"),
        ("/readyz/ping", "other"),
        ("", "other"),
    ],
)
def test_a_label_names_the_resource_and_never_an_object(path: str, resource: str) -> None:
    assert kubernetes_metrics.resource_of(path) == resource


def test_an_answer_that_never_came_is_counted_as_lost() -> None:
    lost = kubernetes_metrics.REQUESTS.labels("GET", "pods", "lost")
    before = lost._value.get()
    kubernetes_metrics.count("GET", "/api/v1/pods", 0)
    assert lost._value.get() == before + 1
