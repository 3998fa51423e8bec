"""Looking up kinds: by group and name, and by the words of the command line."""

import pytest

from localmesh.kinds import KINDS, Status, kind_of, kinds_by_word, kinds_named, served_kind, similar_kind
from localmesh.kinds.gateway import GATEWAY
from localmesh.kinds.gateway_api import KUBERNETES_GATEWAY
from localmesh.kinds.rules.metadata import is_label
from localmesh.kinds.virtual_service import VIRTUAL_SERVICE
from localmesh.kinds.workloads import POD


def test_kinds_are_found_from_their_files() -> None:
    """A record in a file of the folder is enough."""
    assert KINDS["networking.istio.io", "VirtualService"] is VIRTUAL_SERVICE
    assert KINDS["", "Pod"] is POD


def test_two_groups_may_share_the_name_of_a_kind() -> None:
    """Istio and the Gateway API both have a Gateway."""
    assert kind_of("networking.istio.io/v1", "Gateway") is GATEWAY
    assert kind_of("gateway.networking.k8s.io/v1", "Gateway") is KUBERNETES_GATEWAY
    assert kind_of("example.com/v1", "Gateway") is None
    assert kinds_named("Gateway") == [GATEWAY, KUBERNETES_GATEWAY]


def test_only_some_versions_are_served() -> None:
    """Other versions of the group are known as well."""
    assert served_kind("networking.istio.io/v1beta1", "Gateway") is GATEWAY
    assert served_kind("networking.istio.io/v2", "Gateway") is None
    assert kind_of("networking.istio.io/v2", "Gateway") is GATEWAY


@pytest.mark.parametrize(
    "word",
    [
        "gw",
        "gateway",
        "gateways",
        "gateways.networking.istio.io",
        "gateway.networking.istio.io",
    ],
)
def test_a_kind_is_known_by_the_words_of_kubectl(word: str) -> None:
    """Short name, singular, plural, and each with the group."""
    assert kinds_by_word()[word] is GATEWAY


@pytest.mark.parametrize("word", ["replicationcontrollers", "rc"])
def test_kinds_that_are_not_supported_have_no_words(word: str) -> None:
    """There can be no objects of them in the mesh."""
    assert word not in kinds_by_word()


def test_a_misspelled_kind_is_recognized_within_its_group() -> None:
    """Only names of the same apiVersion are suggested."""
    assert similar_kind("networking.istio.io/v1", "VirtualServices") == "VirtualService"
    assert similar_kind("apps/v1", "VirtualServices") is None


def test_no_two_kinds_share_a_resource() -> None:
    """The plural and the group are the path of the API."""
    resources = [kind.resource for kind in KINDS.values()]

    assert len(set(resources)) == len(resources)


def test_plurals_and_short_names_are_words() -> None:
    """As the API server requires of a CustomResourceDefinition."""
    for kind in KINDS.values():
        assert all(is_label(word) for word in (kind.plural, *kind.short_names)), kind


def test_only_kinds_that_are_translated_have_support_tables() -> None:
    """What is ignored or not supported as a whole needs no list of fields."""
    for kind in KINDS.values():
        tables = (kind.unsupported_fields, kind.supported_values, kind.support_rules, kind.ineffective_fields)
        assert kind.status is Status.TRANSLATED or not any(tables), kind


def test_an_ignored_kind_says_why() -> None:
    """And a kind that is translated needs no reason."""
    for kind in KINDS.values():
        assert kind.status is Status.UNSUPPORTED or bool(kind.reason) == (kind.status is Status.IGNORED), kind
