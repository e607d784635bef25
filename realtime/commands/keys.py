"""`kinecast keys`: CURVE keys for a stream to other computers."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "make keys for a stream to other computers"
DESCRIPTION = """
Without --client: makes the publisher's key pair in DIR, and DIR/clients, the list of clients that may
subscribe. With --client NAME: makes a key pair for one subscriber in DIR; if DIR holds the publisher's keys,
NAME is added to its list. With --allow FILE: adds a key made elsewhere to the list. Keep files that end with
.key_secret private.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = DESCRIPTION
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of the keys; created if needed")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--client", metavar="NAME", help="make a key pair for this subscriber")
    choice.add_argument(
        "--allow", type=Path, metavar="FILE.key", help="allow the owner of this key to subscribe"
    )


def run(args: argparse.Namespace) -> int:
    """Make or list keys, and print what to do next."""
    from realtime.stream.key_files import CLIENTS_FOLDER, SERVER_NAME, allow, load_server_keys, make_pair

    folder: Path = args.folder
    is_publishers = (folder / f"{SERVER_NAME}.key_secret").exists()
    if args.allow is not None:
        load_server_keys(folder)
        print(f"{allow(folder, args.allow)}: may subscribe after the publisher's next start")
        return 0
    if args.client is None:
        public, secret = make_pair(folder, SERVER_NAME)
        (folder / CLIENTS_FOLDER).mkdir(mode=0o700, exist_ok=True)
        print(f"{secret}: keep it here\n{public}: for all subscribers")
        print(f"next, for each subscriber:  kinecast keys {folder} --client NAME")
        print(f"then publish with:          kinecast live --publish 'tcp://*:5570' --keys {folder}")
        return 0
    public, secret = make_pair(folder, args.client)
    print(f"{secret}: only for {args.client}")
    if is_publishers:
        allow(folder, public)
        print(f"{args.client} may subscribe after the publisher's next start")
        print(f"send these to {args.client} securely: {secret} and {folder / SERVER_NAME}.key")
        print("then, with both in one folder:", end=" ")
    else:
        print(f"send {public} to the publisher, who runs: kinecast keys THEIR_DIR --allow {public.name}")
        print(f"put the publisher's {SERVER_NAME}.key into {folder}; then:", end=" ")
    print(f"kinecast listen --connect tcp://HOST:5570 --key {secret.name}")
    return 0
