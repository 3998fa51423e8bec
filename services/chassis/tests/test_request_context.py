"""The identity of the caller, from the header that the sidecar adds."""

from __future__ import annotations

import pytest

from services.chassis.request_context import peer_identity

WEBAPP = "spiffe://cluster.local/ns/sentimesh/sa/webapp"
GATEWAY = "spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account"


def identity_in(header: str | None) -> str | None:
    return peer_identity({} if header is None else {"HTTP_X_FORWARDED_CLIENT_CERT": header})


@pytest.mark.parametrize(
    ("header", "identity"),
    [
        (f'By=spiffe://cluster.local/ns/sentimesh/sa/logic;Hash=5f1c;Subject="";URI={WEBAPP}', WEBAPP),
        (f"Hash=1;URI={GATEWAY},By=x;Hash=2;URI={WEBAPP}", WEBAPP),
        (f'By=x;Subject="CN=a,URI=spiffe://other;\\",URI=b";URI={WEBAPP};DNS=webapp', WEBAPP),
        (f"URI={WEBAPP},By=x;Hash=2", None),
        (f'By=x;Subject="URI={WEBAPP}"', None),
        ("By=x;URI=", None),
        ("nonsense", None),
        ("", None),
        (None, None),
    ],
)
def test_the_last_element_names_the_caller(header: str | None, identity: str | None):
    """Earlier elements describe proxies further away, and quoted text is ignored."""
    assert identity_in(header) == identity
