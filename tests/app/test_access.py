"""Other hosts, other sites and requests without the token are refused; no name leads out of the folder."""

from __future__ import annotations

import http.client
import io
import json
import socket
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from review_page import Served, answers

Serve = Callable[..., Served]


class Client:
    """Plain requests; `cookie` after `enter`."""

    def __init__(self, served: Served) -> None:
        self.address = served.address
        self.host = served.base.removeprefix("http://")
        self.cookie = ""

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Any:
        connection = http.client.HTTPConnection(self.host, timeout=20)
        said = {"Cookie": self.cookie} | {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, {name: value for name, value in said.items() if value})
        answer = connection.getresponse()
        answer.content = answer.read()  # type: ignore[attr-defined]
        connection.close()
        return answer

    def enter(self) -> Client:
        answer = self.ask(self.address.removeprefix(f"http://{self.host}"))
        assert answer.status == 303
        self.cookie = answer.headers["set-cookie"].split(";")[0]
        return self

    def post(self, path: str, made: Any, **headers: str) -> Any:
        said = {"Origin": f"http://{self.host}", "Content_Type": "application/json"} | headers
        return self.ask(path, "POST", json.dumps(made).encode(), **said)


ANSWER = {"label": "no_pop", "onsets_s": [], "version": 0}


def test_only_the_token_opens_the_page_and_only_once(folder: Path, serve: Serve) -> None:
    client = Client(serve(folder))
    assert [client.ask(path).status for path in ("/", "/api/session", "/static/main.js", "/open?token=x")] == [403] * 4
    entered = client.ask(client.address.split(client.host)[1])
    flags = entered.headers["set-cookie"].lower()
    assert "httponly" in flags
    assert "samesite=strict" in flags
    assert client.ask(client.address.split(client.host)[1]).status == 403
    assert client.ask("/", Cookie="popdetect=guess").status == 403
    client.cookie = entered.headers["set-cookie"].split(";")[0]
    assert client.ask("/").status == 200


def test_it_listens_on_this_computer_only(folder: Path, serve: Serve) -> None:
    served = serve(folder)
    port = int(served.base.rsplit(":", 1)[1])
    elsewhere = {found[4][0] for found in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}

    assert served.base.startswith("http://127.0.0.1:")
    for address in elsewhere - {"127.0.0.1", "127.0.1.1"}:
        with pytest.raises(OSError, match=r"."):
            socket.create_connection((address, port), timeout=2)


def test_other_hosts_and_other_sites_are_refused(folder: Path, serve: Serve) -> None:
    client = Client(serve(folder)).enter()
    good = client.post("/api/clips/0/answer", {"nonsense": 1})
    assert good.status == 400  # allowed, but not a valid answer
    port = client.host.split(":")[1]
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1.evil.example:{port}", ""):
        assert client.ask("/api/session", Host=host or " ").status in (400, 403), host
    for origin in ("http://evil.example", "null", f"https://{client.host}", "http://127.0.0.1:1"):
        assert client.ask("/api/session", Origin=origin).status == 403, origin
        assert client.post("/api/clips/0/answer", ANSWER, Origin=origin).status == 403, origin
    assert client.post("/api/clips/0/answer", ANSWER, Origin="").status == 403
    assert client.ask("/api/session", Sec_Fetch_Site="cross-site").status == 403
    assert answers(folder) == []


def test_nothing_can_be_uploaded(folder: Path, serve: Serve) -> None:
    client = Client(serve(folder)).enter()
    before = sorted(folder.rglob("*"))
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        assert client.ask("/static/x.js", method, b"x").status == 405
    assert client.post("/api/clips/0/answer", ANSWER, Content_Type="multipart/form-data").status == 415
    assert client.post("/api/clips/0/answer", {"label": "x" * 70_000}).status == 415
    assert client.post("/api/session", ANSWER).status == 405

    assert sorted(folder.rglob("*")) == before


def test_every_response_has_security_headers(folder: Path, serve: Serve) -> None:
    client = Client(serve(folder)).enter()
    for path in ("/", "/api/session", "/static/nothing.js", "/api/clips/999"):
        headers = client.ask(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
    page = client.ask("/").content.decode()
    assert "<script>" not in page
    assert "onclick" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")


@pytest.mark.parametrize(
    "path",
    [
        "/static/../routes.py", "/static/%2e%2e/routes.py", "/static/..%2f..%2froutes.py", "/static//etc/passwd",
        "/static/vendor/../../access.py", "/static/index.html", "/api/clips/-1/sound", "/api/clips/..%2f..%2f/sound",
        "/api/clips/9999/sound", "/api/clips/p01/sound", "/labels.csv",
    ],
)  # fmt: skip
def test_no_path_leaves_the_page(folder: Path, serve: Serve, path: str) -> None:
    assert Client(serve(folder)).enter().ask(path).status == 404


def test_no_name_in_a_table_leaves_the_folder(folder: Path, serve: Serve, tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    (folder / "p01" / "thrust_01.wav").rename(secret)
    (folder / "p01" / "thrust_01.wav").symlink_to(secret)
    table = folder / "popdetect" / "clips.csv"
    rows = table.read_text().splitlines()
    for line, name in ((2, "../secret.wav"), (3, str(secret)), (4, "p01/../../secret.wav")):
        rows[line] = name + rows[line][rows[line].index(",") :]
    table.write_text("\n".join(rows) + "\n")
    client = Client(serve(folder)).enter()

    responses = [client.ask(f"/api/clips/{number}/sound") for number in range(5)]
    assert [response.status for response in responses] == [404, 404, 404, 404, 200]
    assert "link to a place outside" in json.loads(responses[0].content)["error"]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"label": "maybe"}, "label 'maybe'"),
        ({"onsets_s": [-1]}, "onset -1"),
        ({"onsets_s": [99]}, "onset 99"),
        ({"onsets_s": ["1"]}, "onset '1'"),
        ({"onsets_s": [True]}, "onset True"),
        ({"onsets_s": "1 2"}, "a list"),
        ({"version": "0"}, "version '0'"),
        ({"version": -1}, "version -1"),
    ],
)
def test_invalid_answers_are_refused(folder: Path, serve: Serve, made: Any, said: str) -> None:
    answer = Client(serve(folder)).enter().post("/api/clips/0/answer", ANSWER | {"label": "pop"} | made)

    assert answer.status == 400
    assert said in json.loads(answer.content)["error"]
    assert answers(folder) == []


def test_sound_of_any_format_is_sent_as_wav(folder: Path, serve: Serve) -> None:
    rng = np.random.default_rng(4)
    samples = rng.uniform(-0.5, 0.5, (19_200, 2))
    path = folder / "p01" / "thrust_01.wav"
    soundfile.write(path, samples, 192_000, subtype="PCM_24")
    client = Client(serve(folder)).enter()
    whole = client.ask("/api/clips/0/sound")

    with wave.open(io.BytesIO(whole.content)) as opened:
        assert (opened.getframerate(), opened.getsampwidth(), opened.getnchannels()) == (96_000, 2, 2)
        assert opened.getnframes() == 9_600
