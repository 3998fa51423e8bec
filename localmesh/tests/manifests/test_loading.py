"""Loading yields resources, or all problems at once."""

from pathlib import Path

import pytest

from localmesh.analysis import analyze_manifests
from localmesh.manifests import LoadResult, load, load_text
from localmesh.problems import ManifestError

LAST_APPLIES = "the last one applies, as with kubectl apply"
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: logic}\nspec: {ports: [{port: 80}]}\n"


def _problems(text: str) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        load_text(text, "a.yaml")
    return [f"{problem.place.position} {problem.code} {problem.path}" for problem in caught.value.problems]


def test_a_resource_has_the_fields_of_its_object() -> None:
    """Identity, labels, spec, place and order."""
    text = (
        "# a comment\napiVersion: apps/v1\nkind: Deployment\n"
        "metadata: {name: logic, namespace: shop, labels: {app: logic}, annotations: {owner: us}}\n"
        "spec:\n  selector: {matchLabels: {app: logic}}\n"
        "  template: {metadata: {labels: {app: logic}}, spec: {containers: [{name: a, image: b}]}}\n"
    )

    (resource,) = load_text(text, "a.yaml").resources

    assert (resource.kind, resource.namespace, resource.name) == ("Deployment", "shop", "logic")
    assert (resource.api_version, resource.group, resource.version) == ("apps/v1", "apps", "v1")
    assert (resource.labels, resource.annotations) == ({"app": "logic"}, {"owner": "us"})
    assert resource.spec["selector"] == {"matchLabels": {"app": "logic"}}
    assert (resource.place.position, resource.order) == ("a.yaml:2", 0)


def test_an_object_without_namespace_is_in_default() -> None:
    """Cluster-scoped objects are in none."""
    text = f"{SERVICE}---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: shop}}\n"

    assert [resource.namespace for resource in load_text(text).resources] == ["default", ""]


def test_a_config_map_has_data() -> None:
    """Empty if it has none."""
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {A: b}\n"

    (config,) = load_text(text).resources
    (service,) = load_text(SERVICE).resources

    assert (config.data, service.data) == ({"A": "b"}, {})


def test_items_of_a_list_are_objects_with_their_lines() -> None:
    """As kubectl get -o yaml prints them."""
    text = (
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata: {name: a}\n"
        "  spec:\n    ports: [{port: 0}]\n"
    )

    assert _problems(text) == ["a.yaml:8 SM114 spec.ports[0].port"]


def test_null_fields_are_absent() -> None:
    """So that later code need not handle both."""
    text = f"{SERVICE}status: null\n".replace("{name: logic}", "{name: logic, labels: null}")

    (resource,) = load_text(text).resources

    assert resource.body == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "logic"},
        "spec": {"ports": [{"port": 80}]},
    }


def test_objects_of_ignored_kinds_are_listed_separately() -> None:
    """They are not dropped."""
    text = (
        f"{SERVICE}---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{name: logic}}\n"
        "spec: {minAvailable: 1, selector: {matchLabels: {app: logic}}}\n"
    )

    loaded = load_text(text)

    assert [resource.kind for resource in loaded.resources] == ["Service"]
    assert [resource.kind for resource in loaded.ignored] == ["PodDisruptionBudget"]


def test_objects_of_ignored_kinds_are_validated() -> None:
    """What a cluster would reject is rejected here."""
    text = "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: a}\nspec: {minAvailabel: 1}\n"

    assert _problems(text) == ["a.yaml:4 SM101 spec.minAvailabel"]


def test_problems_of_all_files_are_reported_at_once(tmp_path: Path) -> None:
    """Syntax errors, schema errors and semantic errors."""
    (tmp_path / "a.yaml").write_text("a: [\n")
    (tmp_path / "b.yaml").write_text(SERVICE.replace("ports", "prots"))
    (tmp_path / "c.yaml").write_text(SERVICE.replace("80", "0").replace("logic", "other"))

    with pytest.raises(ManifestError) as caught:
        load(files=[tmp_path, tmp_path / "d.yaml"], kustomizations=[tmp_path / "e"])

    codes = [problem.code for problem in caught.value.problems]
    assert codes == ["SM002", "SM101", "SM114", "SM001", "SM004"]


def test_of_an_object_in_several_files_the_last_is_taken_with_a_warning(tmp_path: Path) -> None:
    """As with `kubectl apply`; each warning names the object that is replaced."""
    (tmp_path / "a.yaml").write_text(SERVICE)
    (tmp_path / "b.yaml").write_text(f"# again\n{SERVICE.replace('80', '81')}")
    (tmp_path / "c.yaml").write_text(SERVICE.replace("80", "82"))

    loaded = load(files=[tmp_path / "a.yaml", tmp_path / "b.yaml", tmp_path / "c.yaml"])

    assert [resource.spec["ports"][0]["port"] for resource in loaded.resources] == [82]
    messages = {warning.place.position: (warning.code, warning.message) for warning in loaded.warnings}
    assert messages == {
        f"{tmp_path}/b.yaml:2": ("SM229", f"replaces the one in {tmp_path}/a.yaml:1; {LAST_APPLIES}"),
        f"{tmp_path}/c.yaml:1": ("SM229", f"replaces the one in {tmp_path}/b.yaml:2; {LAST_APPLIES}"),
    }
    assert [problem.code for problem in analyze_manifests(loaded)] == ["SM229", "SM229"]


def test_objects_that_name_no_namespace_get_the_one_that_is_given() -> None:
    """Others keep theirs, and objects of the cluster have none."""
    text = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: office}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
"""

    loaded = load_text(text, namespace="shop")

    assert [resource.namespace for resource in loaded.resources] == ["shop", "office", ""]
    assert loaded.resources[0].place.subject == "Service shop/web"


def test_the_order_of_the_input_is_kept() -> None:
    """It stands for the creation time, by which Istio decides between objects."""
    text = "---\n".join(SERVICE.replace("logic", name) for name in ("c", "a", "b"))

    ordered = [(resource.order, resource.name) for resource in load_text(text).resources]

    assert ordered == [(0, "c"), (1, "a"), (2, "b")]


def test_warnings_do_not_stop_the_load() -> None:
    """They come with the resources."""
    text = (
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a}\n"
        "spec:\n  host: nowhere\n"
    )

    loaded = load_text(text, "a.yaml")

    assert len(loaded.resources) == 1
    assert [(warning.code, warning.place.line) for warning in analyze_manifests(loaded)] == [("SM206", 5)]


def test_an_empty_text_has_no_objects() -> None:
    """And no problems."""
    assert load_text("# only a comment\n") == LoadResult(())


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha3"])
def test_every_served_version_of_istio_is_read(version: str) -> None:
    """Old manifests need no changes."""
    text = (
        f"apiVersion: networking.istio.io/{version}\nkind: DestinationRule\nmetadata: {{name: a}}\n"
        f"spec: {{host: logic}}\n---\n{SERVICE}"
    )

    assert analyze_manifests(load_text(text)) == ()


def test_the_items_of_a_list_of_one_kind_are_objects() -> None:
    """As of any List."""
    text = "{apiVersion: v1, kind: ServiceList, items: [" + ", ".join(
        f"{{apiVersion: v1, kind: Service, metadata: {{name: {name}}}, spec: {{ports: [{{port: 80}}]}}}}"
        for name in ("a", "b")
    )

    assert [resource.name for resource in load_text(text + "]}").resources] == ["a", "b"]
