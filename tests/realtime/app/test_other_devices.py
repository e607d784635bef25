"""Other devices: TLS and the token, over a real connection."""

from __future__ import annotations

import http.cookiejar
import shutil
import ssl
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.environment import import_or_skip, missing
from tests.support.running_app import running_app


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    import_or_skip("nicegui", "pip install 'kinecast[app]'")
    openssl = shutil.which("openssl") or missing("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "cert.pem"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=kinecast"]
    words += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([openssl, *words], check=True, capture_output=True)
    options = ("--host", "0.0.0.0", "--certificate", str(certificate), "--certificate-key", str(key))
    with running_app(folder, *options) as app:
        context = ssl.create_default_context(cafile=str(certificate))
        opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context),
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()),
        )
        yield SimpleNamespace(app=app, opener=opener, token_path=app.state / "kinecast" / "app" / "token")


def post_token(served: SimpleNamespace, token: str) -> str:
    data = urllib.parse.urlencode({"token": token}).encode()
    request = urllib.request.Request(f"{served.app.url}/login", data, {"Origin": served.app.url})
    with served.opener.open(request, timeout=30.0) as answer:
        return str(answer.read().decode())


def test_without_the_token_there_is_only_the_question_for_it(served: SimpleNamespace):
    with served.opener.open(served.app.url, timeout=30.0) as answer:
        assert answer.geturl() == f"{served.app.url}/login" and "Token" in answer.read().decode()
    request = urllib.request.Request(f"{served.app.url}/media/live.mjpg", headers={"Sec-Fetch-Dest": "image"})
    with pytest.raises(urllib.error.HTTPError, match="401"):
        served.opener.open(request, timeout=30.0)
    assert "not the token" in post_token(served, "ABCDEFGHIJKLMNOP")


def test_the_token_opens_the_app_and_is_printed_nowhere(served: SimpleNamespace):
    assert served.token_path.stat().st_mode & 0o777 == 0o600
    token = served.token_path.read_text().strip()
    assert "Choose what to track" in post_token(served, token)
    served.app.process.terminate()
    assert served.app.process.wait(60.0) == 0
    printed = served.app.printed
    assert str(served.token_path) in printed and token not in printed


def test_a_certificate_that_is_not_there_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    from realtime import cli

    assert cli.main(["app", "--host", "0.0.0.0", "--certificate", str(tmp_path / "none.pem")]) == 2
    assert "certificate" in capsys.readouterr().err
