"""What is shown of camera URLs holds none of their secrets."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from realtime.errors import SourceError
from realtime.source_names import HIDDEN, public_source, public_words, recorded_name, without_secrets
from realtime.sources.parse import parse_source

SECRET = "zQ7secret9X"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"rtsp://admin:{SECRET}@10.0.0.2:554/stream", "rtsp://10.0.0.2:554/stream"),
        (f"rtsp://admin:p@ss{SECRET}@10.0.0.2/a/b", "rtsp://10.0.0.2/a/b"),
        (f"rtsp://admin:p/w{SECRET}@10.0.0.2/a/b", "rtsp://10.0.0.2/a/b"),
        (f"rtsp://admin:p/w@{SECRET}/x@10.0.0.2/a/b", "rtsp://10.0.0.2/a/b"),
        (f"RTSP://{SECRET}@camera.example/live", "RTSP://camera.example/live"),
        (f"http://cam:8080/video?user=me&password={SECRET}", "http://cam:8080/video"),
        (f"https://cam/live.m3u8?token={SECRET}#t", "https://cam/live.m3u8"),
        (f"https://cam?token={SECRET}", "https://cam"),
        (f"rtsp://cam:554/user=admin&password={SECRET}&channel=1.sdp?real_stream", "rtsp://cam:554"),
        (f"rtsp://cam/user=admin_password={SECRET}/more_channel=1", "rtsp://cam"),
        (f"rtsp://cam/a/password=x/{SECRET}/b", "rtsp://cam/a"),
        (f"rtsp://cam/live/user%3Dadmin%26password%3D{SECRET}", "rtsp://cam/live"),
        (f"http://cam/video;password={SECRET}", "http://cam"),
        (f"rtsp://[fe80::1]:554/s?{SECRET}", "rtsp://[fe80::1]:554/s"),
        (f"rtsp://admin:p?w{SECRET}@10.0.0.2/a", "rtsp://***"),
        (f"http://cam/video?mail=me@{SECRET}.org", "http://***"),
        (f"rtsp://cam/user=me&password=a@{SECRET}", "rtsp://***"),
        (f"rtsp://admin:{SECRET}", "rtsp://***"),
        (f"rtsp:/admin:{SECRET}@cam/s", "rtsp://cam/s"),
        (f" rtsp://admin:{SECRET}@cam/s", "rtsp://cam/s"),
        (f"rtspp://admin:{SECRET}@cam/s", "rtspp://cam/s"),
        (f"rtsp://proxy/rtsp://admin:{SECRET}@cam/s", "rtsp://cam/s"),
        ("http://10.0.0.2:8080/video", "http://10.0.0.2:8080/video"),
        ("tcp://*:5570", "tcp://*:5570"),
        ("walk@home.mp4", "walk@home.mp4"),
        (r"C:\clips\walk.mp4", r"C:\clips\walk.mp4"),
        ("0", "0"),
    ],
)
def test_scheme_host_and_path_are_kept(url: str, shown: str):
    assert public_source(url) == shown
    assert public_source(shown) == shown


@pytest.mark.parametrize(
    "typed", [f"admin:{SECRET}@cam/s", f"{SECRET}@cam/s", f"cam/s?token={SECRET}", f"cam/password={SECRET}"]
)
def test_a_url_typed_without_its_scheme_is_not_repeated(typed: str):
    assert public_words(typed) == HIDDEN
    assert SECRET not in without_secrets(f"{typed!r}: no such file", [typed])
    with pytest.raises(SourceError) as caught:
        parse_source(typed)
    assert SECRET not in f"{caught.value} {caught.value.value}"


BEFORE, AFTER = st.text(max_size=6), st.text(max_size=6)
SCHEMES = st.sampled_from(["rtsp", "rtsps", "rtmp", "http", "https", "udp", "tcp", "RTSP", "rtspt"])
HOSTS = st.sampled_from(["10.0.0.2", "cam.example", "cam:8554", "[2001:db8::7]:554", "ip:1"])
PATHS = st.sampled_from(["", "/", "/live", "/cam/1/main.sdp", "/user@home", "/a?b=c", "/mpeg4:3"])
KINDS = st.sampled_from(
    [
        "{scheme}://admin:{secret}@{host}{path}",
        "{scheme}://ad@min:{secret}@{host}{path}",
        "{scheme}://{secret}:x@{host}{path}",
        "{scheme}://:{secret}@{host}{path}",
        "{scheme}://{host}/c?user=admin&password={secret}",
        "{scheme}://{host}/c?token={secret}&channel=1",
        "{scheme}://{host}?{secret}",
        "{scheme}://{host}/c#{secret}",
        "{scheme}://{host}/user=admin&password={secret}{path}",
        "{scheme}://{host}/user=admin_password={secret}_channel=1{path}",
        "{scheme}://admin:x@{host}/c?auth={secret}",
    ]
)


@given(SCHEMES, KINDS, HOSTS, PATHS, BEFORE, AFTER, st.booleans())
@example("rtsp", "{scheme}://admin:{secret}@{host}{path}", "cam", "/s", "1/", "?@", False)
@example("rtsp", "{scheme}://admin:{secret}@{host}{path}", "cam", "/s", "12?3", "", False)
@example("http", "{scheme}://{host}/c?token={secret}&channel=1", "cam", "", "a@b/", "@/", False)
def test_no_secret_is_ever_shown(
    scheme: str, kind: str, host: str, path: str, before: str, after: str, is_quoted: bool
):
    """Whatever characters surround it: quoted as they should be, or typed as they are."""
    secret = before + SECRET + after
    secret = quote(secret, safe="") if is_quoted else secret
    url = kind.format(scheme=scheme, host=host, path=path, secret=secret)
    for shown in (public_source(url), recorded_name(url), without_secrets(f"{url!r} failed: {url}", [url])):
        assert SECRET not in shown
    if is_quoted and "@" not in path:
        assert public_source(url).startswith(f"{scheme}://{host}")
    try:
        source = parse_source(url)
    except SourceError as error:
        assert SECRET not in f"{error} {error.value}"
    else:
        assert SECRET not in source.description


@given(st.text(max_size=60))
def test_any_text_can_be_shown_twice(text: str):
    shown = public_source(text)
    assert public_source(shown) == shown
    without_secrets(text, [text])


def test_messages_keep_what_follows_a_url():
    said = without_secrets(
        f"rtsp://me:{SECRET}@cam/live: no images; see 'https://example.org/help'. tcp://HOST:PORT"
    )
    assert said == "rtsp://cam/live: no images; see 'https://example.org/help'. tcp://HOST:PORT"


def test_files_hold_no_folders_of_the_source():
    assert recorded_name("/home/alice/clips/walk.mp4") == "walk.mp4"
    assert recorded_name(r"C:\Users\alice\walk.mp4") == "walk.mp4"
    assert recorded_name("images/") == "images"
    assert recorded_name("/home/alice + bob/walk.mp4") == "walk.mp4"
    assert recorded_name("camera 0") == "camera 0"
    assert recorded_name("http://cam/clips/walk.mp4?x=y") == "http://cam/clips/walk.mp4"
