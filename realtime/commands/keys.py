"""`kinecast keys`: keys for a stream that leaves this computer."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "make the keys that a stream to other computers needs"
DESCRIPTION = """
Without --client: makes the publisher's pair of keys in DIR, and DIR/clients, the list of who may subscribe.
With --client NAME: makes a pair for one subscriber in DIR; if DIR holds the publisher's keys, NAME is put on
its list. With --allow FILE: puts on the list who made a pair elsewhere. Files that end with .key_secret must
reach nobody but their owner.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = DESCRIPTION
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of the keys; made if needed")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--client", metavar="NAME", help="make a pair for this subscriber")
    choice.add_argument("--allow", type=Path, metavar="FILE.key", help="let the owner of this key subscribe")


def run(args: argparse.Namespace) -> int:
    """Make what was asked for and say what to do with it."""
    from realtime.stream.key_files import CLIENTS_FOLDER, SERVER_NAME, allow, load_server_keys, make_pair

    folder: Path = args.folder
    is_publishers = (folder / f"{SERVER_NAME}.key_secret").exists()
    if args.allow is not None:
        load_server_keys(folder)
        print(f"{allow(folder, args.allow)}: may subscribe from the publisher's next start on")
        return 0
    if args.client is None:
        public, secret = make_pair(folder, SERVER_NAME)
        (folder / CLIENTS_FOLDER).mkdir(mode=0o700, exist_ok=True)
        print(f"{secret}: stays here\n{public}: for everyone who subscribes")
        print(f"next, for each of them:  kinecast keys {folder} --client NAME")
        print(f"then publish with:       kinecast live --publish 'tcp://*:5570' --keys {folder}")
        return 0
    public, secret = make_pair(folder, args.client)
    print(f"{secret}: for {args.client} alone")
    if is_publishers:
        allow(folder, public)
        print(f"{args.client} may subscribe from the publisher's next start on")
        print(f"give {args.client}, on a safe way: {secret} and {folder / SERVER_NAME}.key")
        print("there, with both in one folder:", end=" ")
    else:
        print(f"give {public} to the publisher, who runs: kinecast keys THEIR_DIR --allow {public.name}")
        print(f"put the publisher's {SERVER_NAME}.key into {folder}; then:", end=" ")
    print(f"kinecast listen --connect tcp://HOST:5570 --key {secret.name}")
    return 0
