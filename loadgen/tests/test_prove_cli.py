"""`loadgen prove` from the command line, against a stand-in for a mesh."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

from loadgen.meshstate import MeshApi
from loadgen.tests.commands import REPORT_SCHEMA, ended, run, start, wait_until
from loadgen.tests.servers import always, answer, closed_port, serving
from loadgen.tests.stand_in_mesh import NAMESPACE, REPOSITORY, StandInMesh, base, canary, named

OVERLAYS = REPOSITORY / "istio" / "overlays"


class TestVerdicts:
    def test_pass_when_the_mesh_does_as_configured(self):
        """Exit status 0; the report has a line for each check with its figures."""
        with StandInMesh().running() as mesh:
            outcome = run("prove", "canary", "--mesh", mesh.url)

        assert outcome.status == 0
        assert outcome.out.splitlines()[2].startswith("canary  PASS  ")
        assert "configured  VirtualService sentimesh/logic, spec.http[0]: v1 80 %, v2 20 %" in outcome.out
        assert "share of v2       PASS" in outcome.out
        assert outcome.err == f"canary: sending 2,700 × POST {mesh.url}/sentiment, 112 at once\n"

    def test_fail_when_the_shares_are_not_as_configured(self):
        """50/50 traffic under an 80/20 manifest is exit status 1."""
        with StandInMesh(versions={"v1": 0.5, "v2": 0.5}).running() as mesh:
            outcome = run("prove", "canary", "--mesh", mesh.url)

        assert outcome.status == 1
        assert "share of v2       expected 20 %, but the true share is in " in outcome.out

    def test_pass_when_manifest_and_traffic_are_both_50_50(self):
        """The expectation comes from the configuration, not from the proof."""
        mesh = StandInMesh(canary(v1=50, v2=50), versions={"v1": 0.5, "v2": 0.5})

        with mesh.running():
            outcome = run("prove", "canary", "--mesh", mesh.url)

        assert outcome.status == 0
        assert len(mesh.received) >= 3800

    def test_fail_without_the_overlay_and_nothing_is_sent(self):
        """The plain application fails with one sentence that says what to apply."""
        with StandInMesh(base()).running() as mesh:
            outcome = run("prove", "canary", "--mesh", mesh.url)

        assert outcome.status == 1
        assert "apply the overlay, unedited: `localmesh apply -k" in " ".join(outcome.out.split())
        assert mesh.received == []

    def test_fail_when_the_gateway_serves_something_else(self):
        """Failing answers that name no version fail; shares of which nothing is known stay open."""
        with StandInMesh().running() as mesh, serving(always(answer(404))) as other:
            outcome = run("prove", "canary", "--mesh", mesh.url, "--gateway", other, "--json", "-")

        verdicts = {
            check["name"]: check["verdict"] for check in outcome.json(REPORT_SCHEMA)["scenarios"][0]["checks"]
        }
        assert outcome.status == 1
        assert verdicts["share of v2"] == "INCONCLUSIVE"
        assert verdicts["only v2 fails"] == "FAIL"

    def test_inconclusive_when_the_configuration_changes_meanwhile(self):
        """It is not known which requests were routed by which."""

        class Changing(StandInMesh):
            def _api(self, path: str) -> bytes:
                if self.received and path.endswith("virtualservices"):
                    self.objects = canary(v1=50, v2=50)
                return super()._api(path)

        with Changing().running() as mesh:
            outcome = run("prove", "canary", "--mesh", mesh.url)

        assert outcome.status == 3
        assert "config-changed: the configuration was changed while the requests were sent" in outcome.out

    def test_what_is_reported_of_a_deployment_is_no_change(self):
        """After a deployment its last old pods end; the specification is the same."""
        with StandInMesh().running() as mesh, MeshApi(mesh.url, NAMESPACE) as api:
            before = api.resources()
            logic = named(mesh.objects, "Deployment", "logic-v1")
            logic["status"] = {"terminatingReplicas": 0}
            logic["metadata"]["resourceVersion"] = "2"
            reported = api.resources()
            logic["spec"]["replicas"] = 7
            wanted = api.resources()

        assert reported == before
        assert wanted != before

    def test_every_request_is_sent_once(self):
        """No more, no less than planned, each a sentence, none with a request id."""
        with StandInMesh().running() as mesh:
            run("prove", "canary", "--mesh", mesh.url)

        assert len(mesh.received) == 2700
        assert all("sentence" in json.loads(request.body) for request in mesh.received)
        assert not any("x-request-id" in request.headers for request in mesh.received)


class TestReports:
    def test_the_mesh_gets_each_verdict_for_its_live_page(self):
        """The report of one scenario, as it is written with --json."""
        with StandInMesh(base()).running() as mesh:
            run("prove", "canary", "--mesh", mesh.url)

        (report,) = mesh.reported
        assert report["report"] == "loadgen prove"
        assert [(each["scenario"], each["verdict"]) for each in report["scenarios"]] == [("canary", "FAIL")]

    def test_json_and_junit_files(self, tmp_path: Path):
        """Both say what the table says; JUnit counts every check."""
        report, junit = tmp_path / "report.json", tmp_path / "junit.xml"

        with StandInMesh(failing={"v1": 0.05, "v2": 0.65}).running() as mesh:
            outcome = run("prove", "canary", "--mesh", mesh.url, "--json", str(report), "--junit", str(junit))

        document = json.loads(report.read_text())
        suite = ElementTree.parse(junit).getroot().find("testsuite")
        jsonschema.validate(document, REPORT_SCHEMA)
        assert (outcome.status, document["verdict"]) == (1, "FAIL")
        assert document["scenarios"][0]["measurements"][0]["sent"] == 2700
        assert suite.attrib["tests"] == str(len(document["scenarios"][0]["checks"])) == "5"
        assert "only v2 fails" in {case.attrib["name"] for case in suite if case.find("failure") is not None}

    def test_json_on_standard_output_is_alone_there(self):
        """With `--json -` people read on standard error."""
        with StandInMesh().running() as mesh:
            outcome = run("prove", "canary", "--mesh", mesh.url, "--json", "-")

        assert outcome.json(REPORT_SCHEMA)["verdict"] == "PASS"
        assert "canary  PASS" in outcome.err

    def test_a_file_that_cannot_be_written_is_refused_before_anything_is_sent(self, tmp_path: Path):
        """Not after the measurement."""
        with StandInMesh().running() as mesh:
            outcome = run(
                "prove", "canary", "--mesh", mesh.url, "--json", str(tmp_path / "no" / "report.json")
            )

        assert outcome.status == 2
        assert "cannot be written" in outcome.err
        assert mesh.received == []


class TestApplying:
    def test_overlays_are_applied_before_their_proofs_and_a_table_ends_the_report(self):
        """And the previous configuration at the end; the report has all scenarios."""
        with StandInMesh().running() as mesh:
            outcome = run(
                "prove", "--apply", "canary", "ab-testing", "--mesh", mesh.url, "--overlays", str(OVERLAYS)
            )

        *overlays, before = mesh.applied
        assert [order["kustomizations"] for order in overlays] == [
            [str(OVERLAYS / "canary")],
            [str(OVERLAYS / "ab-testing")],
        ]
        assert before["text"] == json.dumps(mesh.objects)
        table = [line.split() for line in outcome.out.splitlines()[-4:]]
        assert table[0] == ["scenario", "verdict", "checks", "passed", "seconds"]
        assert [row[:-1] for row in table[1:]] == [
            ["canary", "PASS", "5", "of", "5"],
            ["ab-testing", "FAIL", "0", "of", "1"],
            ["all", "2", "FAIL", "5", "of", "6"],
        ]
        assert outcome.status == 1

    def test_the_report_of_all_fits_its_schema(self):
        """With the time of each scenario."""
        with StandInMesh().running() as mesh:
            arguments = ("--apply", "canary", "--mesh", mesh.url, "--overlays", str(OVERLAYS), "--json", "-")
            outcome = run("prove", *arguments)

        (scenario,) = outcome.json(REPORT_SCHEMA)["scenarios"]
        assert scenario["seconds"] >= scenario["measurements"][0]["seconds"]

    def test_all_and_a_name_contradict_each_other(self):
        """Refused before anything is asked."""
        outcome = run("prove", "--all", "canary")

        assert outcome.status == 2
        assert "leave out canary, or --all" in outcome.err

    def test_a_folder_without_overlays_is_refused(self, tmp_path: Path):
        """Every scenario that has none is named."""
        outcome = run("prove", "--all", "--overlays", str(tmp_path))

        assert outcome.status == 2
        assert all(scenario in outcome.err for scenario in ("ab-testing", "blue-green", "canary"))

    def test_a_mesh_that_goes_away_meanwhile_is_exit_status_4(self):
        """The verdicts so far are reported."""

        class Leaving(StandInMesh):
            def _api(self, path: str) -> bytes:
                if self.applied and path.endswith("virtualservices"):
                    raise ConnectionResetError
                return super()._api(path)

        with Leaving().running() as mesh:
            outcome = run("prove", "--apply", "canary", "--mesh", mesh.url, "--overlays", str(OVERLAYS))

        assert outcome.status == 4
        assert "canary  INCONCLUSIVE" in outcome.out


class TestScenarios:
    def test_without_a_scenario_they_are_listed(self):
        """Name and one line; nothing is read or sent."""
        outcome = run("prove")

        assert outcome.status == 0
        described = [line.split(maxsplit=1) for line in outcome.out.splitlines()]
        assert ["canary", "logic's versions get their shares, and only the faulty one fails"] in described

    def test_an_unknown_scenario_is_refused_with_the_nearest_one(self):
        """One line, exit status 2."""
        outcome = run("prove", "canery")

        assert outcome.status == 2
        assert outcome.err == 'loadgen: error: no scenario is named "canery"; did you mean "canary"?\n'

    def test_a_cluster_needs_the_gateways_address(self):
        """Its API does not tell it."""
        outcome = run("prove", "canary", "--target", "cluster")

        assert outcome.status == 2
        assert "--gateway URL" in outcome.err

    def test_a_cluster_is_read_like_a_local_mesh(self):
        """The same API, without `GET /mesh`."""
        with StandInMesh().running() as mesh:
            outcome = run("prove", "canary", "--target", "cluster", "--mesh", mesh.url, "--gateway", mesh.url)

        assert outcome.status == 0


class TestNotReachable:
    def test_no_mesh(self):
        """Exit status 4, with what to do."""
        url = f"http://127.0.0.1:{closed_port()}"

        outcome = run("prove", "canary", "--mesh", url)

        assert outcome.status == 4
        assert outcome.err == (
            f"loadgen: error: the mesh's API at {url} cannot be connected to: "
            "start a mesh with `make up`, call loadgen in the folder where yours was started, "
            "or name it with --mesh or LOCALMESH_URL\n"
        )

    def test_no_gateway(self):
        """The mesh answers, its gateway does not."""
        with StandInMesh().running() as mesh:
            outcome = run(
                "prove", "canary", "--mesh", mesh.url, "--gateway", f"http://127.0.0.1:{closed_port()}"
            )

        assert outcome.status == 4
        assert "is not reachable: connection refused (refused)" in outcome.err

    def test_a_mesh_that_is_not_ready(self):
        """Requests would fail for a reason that is no finding."""
        with StandInMesh(ready=False).running() as mesh:
            outcome = run("prove", "canary", "--mesh", mesh.url)

        assert outcome.status == 4
        assert "not ready yet" in outcome.err

    @pytest.mark.parametrize(
        ("wrong", "sentence"),
        [
            (answer(200, b"<html>"), "answers something that is not JSON"),
            (answer(200, b"[]"), "is this the API of a mesh?"),
            (answer(403, b"no"), "answers 403"),
            (answer(200, b"{}"), "names no ingress gateway"),
        ],
    )
    def test_something_else_at_the_meshs_address(self, wrong: bytes, sentence: str):
        """The message says so, instead of reporting a mesh without configuration."""
        with serving(always(wrong)) as url:
            outcome = run("prove", "canary", "--mesh", url)

        assert outcome.status == 4
        assert sentence in outcome.err


def test_ctrl_c_reports_what_is_known_as_inconclusive():
    """What was sent so far is reported and not judged: a part of it proves nothing."""
    with StandInMesh(hang_seconds=3).running() as mesh:
        process = start("prove", "canary", "--mesh", mesh.url, "--json", "-")
        wait_until(lambda: len(mesh.received) >= 50, "requests")
        process.send_signal(signal.SIGINT)
        outcome = ended(process)

    document = outcome.json(REPORT_SCHEMA)
    assert outcome.status == 3
    assert document["scenarios"][0]["measurements"][0]["interrupted"] is True


def test_no_colour_in_a_pipe():
    """Not even if the environment looks like a terminal's."""
    with StandInMesh().running() as mesh:
        outcome = ended(start("prove", "canary", "--mesh", mesh.url))

    assert outcome.status == 0
    assert "\x1b" not in outcome.out + outcome.err
    assert all(line == line.rstrip() for line in outcome.out.splitlines())
