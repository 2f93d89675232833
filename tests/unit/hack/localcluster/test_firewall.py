from localcluster import firewall

JUMP = (
    "POSTROUTING -s 10.244.0.2/32 -m comment "
    r'--comment "name: \"wherry\" id: \"1\"" -j CNI-0aaa'
)
SAVED = f"""\
*filter
:INPUT ACCEPT [0:0]
:DOCKER - [0:0]
:KUBE-FIREWALL - [0:0]
-A INPUT -j KUBE-FIREWALL
-A INPUT -p tcp -j DOCKER
-A KUBE-FIREWALL -j DROP
COMMIT
*nat
:POSTROUTING ACCEPT [0:0]
:CNI-0aaa - [0:0]
:CNI-0bbb - [0:0]
-A {JUMP}
-A POSTROUTING -s 10.88.0.2/32 -m comment --comment "name: \\"podman\\" id: \\"2\\"" -j CNI-0bbb
-A CNI-0aaa -d 10.244.0.0/24 -m comment --comment "name: \\"wherry\\" id: \\"1\\"" -j ACCEPT
-A CNI-0bbb -j ACCEPT
COMMIT
"""


def test_removal_covers_kubernetes_and_our_own_network_only() -> None:
    assert firewall.removal(SAVED).splitlines() == [
        "*filter",
        "-D INPUT -j KUBE-FIREWALL",
        "-F KUBE-FIREWALL",
        "-X KUBE-FIREWALL",
        "COMMIT",
        "*nat",
        f"-D {JUMP}",
        "-F CNI-0aaa",
        "-X CNI-0aaa",
        "COMMIT",
    ]


def test_tables_without_our_chains_are_not_changed() -> None:
    assert firewall.removal("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j ACCEPT\nCOMMIT\n") == ""
