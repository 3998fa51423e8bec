"""`localmesh test --live`: requests of cases through real Envoys."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from localmesh.cli.commands import run
from localmesh.manifests import load_text
from localmesh.route_tests.live.meshes import sent_to_stubs
from localmesh.route_tests.reading import read_case_files
from localmesh.route_tests.run import run_cases
from localmesh.tests.route_tests.shop import SHOP, write
from tests.live import overlay
from tests.proof_mesh import ProofMesh

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("application-calm")]

CASES = """
manifests: shop.yaml
cases:
  - name: rewritten
    request: {url: http://shop.example/cart/1, headers: {x-secret: s}}
    expect: {destination: cart}
  - name: redirected
    request: http://shop.example/old
    expect: {status: 302}
  - name: denied
    from: cart-v1
    request: POST http://cart/
    expect: {deniedBy: default}
  - name: split
    from: cart-v1
    request: http://books/
    expect: {destination: books}
  - name: outside
    from: cart-v1
    request: http://elsewhere.example/
    expect: {status: 200}
  - name: signed
    from: cart-v1
    request: {url: http://books/tokens, jwt: {iss: me, sub: reader}}
    expect: {allowedBy: readers}
"""
TOKENS = """
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: books, namespace: shop}
spec:
  selector: {matchLabels: {app: books}}
  jwtRules:
    - issuer: me
      jwks: '{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: readers, namespace: shop}
spec:
  selector: {matchLabels: {app: books}}
  rules:
    - to: [{operation: {notPaths: [/tokens]}}]
    - from: [{source: {requestPrincipals: [me/reader]}}]
"""
OTHER = [("uri: /}", "uri: /x/}"), ("redirectCode: 302", "redirectCode: 301"), ("weight: 3", "weight: 0")]
"""Edits after which the mesh does otherwise than explained."""


def test_real_envoys_do_what_is_explained_and_a_difference_is_found(tmp_path: Path) -> None:
    """In a mesh of stubs, with a token that it accepts; nothing leaves the mesh."""
    (file,) = read_case_files([write(tmp_path, CASES)])
    right = run_cases(file.cases, load_text(SHOP + TOKENS))
    wrong = SHOP
    for before, after in OTHER:
        wrong = wrong.replace(before, after)

    same, other = asyncio.run(
        sent_to_stubs(
            [right, replace(right, loaded=load_text(wrong.replace("shop/sa/books", "shop/sa/cart")))]
        )
    )

    assert [(result.case.name, result.live) for result in same.results if not result.passed] == []
    live = {result.case.name: result.live for result in same.results}
    assert {name: each.requests for name, each in live.items() if each} == {
        "rewritten": 1,
        "redirected": 1,
        "denied": 1,
        "split": 60,
        "outside": 0,
        "signed": 60,
    }
    assert live["outside"] is not None
    assert live["outside"].not_sent == "it would leave the mesh"
    assert {result.case.name: result.live.disagreements for result in other.results if result.live} == {
        "rewritten": ("explained path: //1; Envoy: path: /x//1",),
        "redirected": ("explained 302 to http://shop.example/new; Envoy: 301 to http://shop.example/new",),
        "denied": ("explained 403; Envoy: a request at shop/cart-v1",),
        "split": (
            "explained a request at shop/books-v1 or a request at shop/books-v2; "
            "Envoy: a request at shop/books-v2",
        ),
        "outside": (),
        "signed": (
            "explained a request at shop/books-v1 or a request at shop/books-v2; "
            "Envoy: a request at shop/books-v2",
        ),
    }


def test_a_file_without_manifests_is_about_the_running_mesh(
    mesh: ProofMesh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its configuration is tested, and its applications get the requests."""
    monkeypatch.setenv("LOCALMESH_URL", mesh.api)
    mesh.apply(overlay("jwt"))
    cases = (Path("istio/overlays/jwt/routes.test.yaml")).read_text().replace("kustomization: .\n", "")
    cases += "  - {request: GET /about, expect: {destination: frontend/v1}}\n"
    (tmp_path / "a.test.yaml").write_text(cases)

    status = run(["test", "--live", "-q", str(tmp_path)])

    out = capsys.readouterr().out
    assert status == 0, out
    assert out.startswith(
        "11 cases: 11 passed, 0 failed\nlive: 8 requests for 8 cases, Envoy disagrees with none"
    )
    assert out.count("(the mesh has no key to sign its token)") == 3
