"""Ports and paths of a container rewritten for its process."""

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from localmesh.runtime.workloads.rewriting import Rewriting

REWRITING = Rewriting(
    ports={8080: 20001, 9102: 20002},
    folders={
        "/var/lib/feedback": Path("/state/feedback"),
        "/tmp": Path("/tmp/state/tmp"),
        "/tmp/inner": Path("/state/inner"),
    },
)


class TestPorts:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("8080", "20001"),
            ("9102", "20002"),
            ("0.0.0.0:8080", "127.0.0.1:20001"),
            ("[::]:8080", "127.0.0.1:20001"),
            ("*:9102", "127.0.0.1:20002"),
            (":8080", "127.0.0.1:20001"),
            ("http://localhost:8080/x", "http://127.0.0.1:20001/x"),
            ("a=127.0.0.1:8080,b=localhost:9102", "a=127.0.0.1:20001,b=127.0.0.1:20002"),
        ],
    )
    def test_a_declared_port_of_the_container_itself_is_rewritten(self, value: str, expected: str) -> None:
        """The bare number, and the number behind a local address, become the real port."""
        assert REWRITING.value(value) == expected

    @pytest.mark.parametrize(
        "value",
        [
            "http://logic:8080",
            "logic:8080",
            "10.0.0.1:8080",
            "80800",
            "18080",
            "8080 requests",
            "localhost:80",
            "xlocalhost:8080",
            "127.0.0.1:80801",
            '{"limit":8080}',
            "1:8080",
            "--port=8080",
            "",
        ],
    )
    def test_other_numbers_stay(self, value: str) -> None:
        """Ports of other hosts, undeclared ports and numbers inside texts are left alone."""
        assert REWRITING.value(value) == value

    def test_an_option_of_a_command_is_rewritten(self) -> None:
        """A word such as --port=8080 says a port; with another number it stays."""
        assert REWRITING.word("--port=8080") == "--port=20001"
        assert REWRITING.word("-p=9102") == "-p=20002"
        assert REWRITING.word("--port=8081") == "--port=8081"
        assert REWRITING.word("--bind=0.0.0.0:8080") == "--bind=127.0.0.1:20001"


class TestPaths:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("/var/lib/feedback", "/state/feedback"),
            ("/var/lib/feedback/x.db", "/state/feedback/x.db"),
            ("sqlite:////var/lib/feedback/x.db?mode=rw", "sqlite:////state/feedback/x.db?mode=rw"),
            ("sqlite+aiosqlite:////tmp/x", "sqlite+aiosqlite:////tmp/state/tmp/x"),
            ("file:///tmp/x", "file:///tmp/state/tmp/x"),
            ("unix:/tmp/socket", "unix:/tmp/state/tmp/socket"),
            ("/usr/bin:/tmp:/bin", "/usr/bin:/tmp/state/tmp:/bin"),
            ("--dir=/tmp", "--dir=/tmp/state/tmp"),
            ("cat /tmp/a >/var/lib/feedback/b", "cat /tmp/state/tmp/a >/state/feedback/b"),
            ('{"dir":"/tmp"}', '{"dir":"/tmp/state/tmp"}'),
            ("/tmp/inner/x", "/state/inner/x"),
            ("/tmp,/tmp", "/tmp/state/tmp,/tmp/state/tmp"),
        ],
    )
    def test_a_mount_path_becomes_its_folder(self, value: str, expected: str) -> None:
        """A path at or under a mount is rewritten once, wherever a path can begin; the longest mount wins."""
        assert REWRITING.value(value) == expected

    @pytest.mark.parametrize(
        "value",
        [
            "/usr/tmp/x",
            "/tmpfoo",
            "/tmp.d/x",
            "http://tmp/x",
            "http://host/tmp/x",
            "sqlite:///tmp/x",
            "../tmp",
            "a/tmp",
            "/var/lib/feedbacks",
        ],
    )
    def test_other_paths_stay(self, value: str) -> None:
        """Longer names, relative paths, hosts and paths of URLs that have a host are left alone."""
        assert REWRITING.value(value) == value

    def test_without_mounts_nothing_is_rewritten(self) -> None:
        """A container without volumes keeps its paths."""
        assert Rewriting({}, {}).value("/tmp/x") == "/tmp/x"


class TestAnyText:
    @given(st.text())
    def test_without_ports_and_mounts_every_text_stays(self, text: str) -> None:
        """What is not declared is never rewritten."""
        nothing = Rewriting({}, {})

        assert nothing.value(text) == text
        assert nothing.word(text) == text

    @given(st.text(alphabet="/abt:.=, -08mp[]*"))
    def test_only_what_is_declared_appears_or_vanishes(self, text: str) -> None:
        """A text that has neither a declared number nor a mount path in it stays as it is."""
        assume("8080" not in text and "9102" not in text and "/tmp" not in text)

        assert REWRITING.word(text) == text
