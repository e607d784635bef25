"""Sources in the form that may be shown and stored: without the secrets that camera URLs carry.

Passwords stand in many parts of such URLs: before the `@`, in the query, among parameters of the path. Only
scheme, host and the path up to its first parameter are kept. Where it is not certain which part is the host
(passwords may hold `/` and `?` unescaped), nothing but the scheme is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

HIDDEN = "***"
BETWEEN_NAMES = " + "
"""Between the names of several sources that are one, in `recorded_name`."""
_URL = re.compile(r"\s*([a-z][a-z0-9+.-]+):/+(.*)", re.IGNORECASE | re.DOTALL)
_LIKE_URL = re.compile(r"[^@/\\]*:[^@]*@|[^@/\\]*@[^/\\]*/|.*[?&/]\S*=", re.DOTALL)
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[\w.*-]+)(:(\d{1,5}|\*))?", re.IGNORECASE)
_PATH_PART = re.compile(r"[\w.,~+-]*")
_URL_IN_TEXT = re.compile(r"[a-z][a-z0-9+.-]+:/+\S+", re.IGNORECASE)
_BEFORE_URL = re.compile(r" \+ (?=[a-z][a-z0-9+.-]+:/+)", re.IGNORECASE)
_AFTER_URL = ".,:;!?)]}'\"`"


def public_source(source: str) -> str:
    """A source without secrets.

    Args:
        source: Source as typed; a URL, or anything else that `parse_source` takes.

    Returns:
        Scheme, host, port and path of a URL, and other sources unchanged.
    """
    url = _URL.match(source)
    if url is None:
        return source
    scheme, rest = url[1], url[2]
    if scheme.lower() == "file":
        return source
    return f"{scheme}://{_location(rest) or HIDDEN}"


def public_words(words: str) -> str:
    """What a user typed as a source or option, without secrets even if it is a URL without its scheme."""
    return HIDDEN if _URL.match(words) is None and _LIKE_URL.match(words) else public_source(words)


def recorded_name(source: str) -> str:
    """A source in the form that files and streams hold: a path without its folders, which are private."""
    first, *urls = _BEFORE_URL.split(source)
    if urls:
        return BETWEEN_NAMES.join(recorded_name(one) for one in (first, *urls))
    shown = public_source(source)
    return shown if _URL.match(shown) else re.split(r"[/\\]", shown.rstrip("/\\"))[-1]


def without_secrets(text: str, words: Sequence[str] = ()) -> str:
    """A message in which every URL is replaced by its public form.

    Args:
        text: Message.
        words: Words of the command line, of which the message may repeat some. URLs among them are replaced
            even where they hold spaces.
    """
    typed = {word.partition("=")[2] if word.startswith("--") and "=" in word else word for word in words}
    for word in sorted(typed, key=len, reverse=True):
        public = public_words(word)
        as_path = re.sub("/+", "/", word)  # where a URL was taken for a path
        for form in () if public == word else (word, repr(word)[1:-1], as_path, repr(as_path)[1:-1]):
            text = text.replace(form, public)
    return _URL_IN_TEXT.sub(_public_match, text)


def _public_match(match: re.Match[str]) -> str:
    url = match[0].rstrip(_AFTER_URL)
    is_plain = re.search(r"[@?#;&=]", url) is None  # such as an address of the stream, or tcp://HOST:PORT
    return match[0] if is_plain else public_source(url) + match[0][len(url) :]


def _location(rest: str) -> str:
    """Host, port and path of what follows `://`; empty where the host is uncertain."""
    head, path = _split(rest)
    if "@" in path:
        login, _, rest = rest.rpartition("@")
        if re.search(r"[?#;&=]", login):  # this @ may belong to a parameter
            return ""
        head, path = _split(rest)
    host = _HOST.fullmatch(head.rpartition("@")[2])
    if host is None or int(host[3] if host[3] and host[3] != "*" else 0) > 65535:
        return ""
    parts: list[str] = []
    for part in re.split(r"[?#]", path)[0].split("/")[1:]:
        if not _PATH_PART.fullmatch(part):  # a parameter, and all that follows may be its value
            break
        parts.append(part)
    return "/".join([host[0], *parts])


def _split(rest: str) -> tuple[str, str]:
    """Login and host, and the path with what follows it."""
    end = re.search(r"[/?#]", rest)
    return (rest[: end.start()], rest[end.start() :]) if end else (rest, "")
