"""`kinecast bridge`: forward a running tracker's stream in other protocols."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from realtime.commands.arguments import add_key_options, add_of_person_option, client_keys, positive_int
from realtime.stream.publisher import DEFAULT_ADDRESS

if TYPE_CHECKING:
    from realtime.bridges.runner import Bridge

HELP = (
    "forward the stream to LSL, the OpenCap Visualizer, VR avatars (VMC, VRChat), or as JSON over a WebSocket"
)
PROTOCOLS = {
    "lsl": "an outlet of Lab Streaming Layer",
    "opencap": "the Live IK Stream of the OpenCap Visualizer",
    "vmc": "avatar bones in the VMC protocol (OSC)",
    "vrchat": "OSC trackers of VRChat",
    "websocket": "plain JSON",
}
PORTS = {"opencap": 8765, "vmc": 39539, "vrchat": 9000, "websocket": 5571}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    protocols = parser.add_subparsers(dest="protocol", metavar="|".join(PROTOCOLS), required=True)
    for name, text in PROTOCOLS.items():
        child = protocols.add_parser(name, help=text, description=f"Forward the stream: {text}.")
        child.add_argument("--connect", default=DEFAULT_ADDRESS, metavar="ADDR", help="default: %(default)s")
        child.add_argument("--count", type=positive_int, metavar="N", help="exit after N samples")
        add_of_person_option(child)
        add_key_options(child)
        child.add_argument(
            "--allow-network", action="store_true", help="allow access from other computers, unencrypted"
        )
        if name in PORTS:
            child.add_argument("--host", default="127.0.0.1", metavar="ADDR", help="default: %(default)s")
            child.add_argument("--port", type=_port, default=PORTS[name], help="default: %(default)s")
        if name in ("opencap", "websocket"):
            child.add_argument(
                "--allow-origin",
                action="append",
                default=[],
                metavar="https://SITE",
                help="further web site whose pages may connect",
            )
        if name == "websocket":
            child.add_argument("--poses", action="store_true", help="also send bodies and markers")
        if name == "lsl":
            child.add_argument("--markers", action="store_true", help="also send markers")
            child.add_argument(
                "--name", default="kinecast", help="name of the LSL stream; default: %(default)s"
            )


def run(args: argparse.Namespace) -> int:
    """Forward samples until stopped."""
    from realtime.bridges.runner import run_bridge
    from realtime.client import subscribe
    from realtime.commands.ending import ended_by_signals

    poses = (
        getattr(args, "poses", False)
        or getattr(args, "markers", False)
        or args.protocol in ("vmc", "vrchat", "opencap")
    )
    with subscribe(args.connect, poses=poses, keys=client_keys(args), person=args.of_person) as subscription:
        bridge = open_bridge(args)
        print(f"from {args.connect}: {bridge.description}", flush=True)
        try:
            with ended_by_signals():
                run_bridge(subscription, bridge, count=args.count)
        except KeyboardInterrupt:
            pass
        finally:
            bridge.close()
            refused = sum(subscription.refused.values())
            print(f"{subscription.missed} samples lost on the way, {refused} invalid messages omitted")
    return 0


def open_bridge(args: argparse.Namespace) -> Bridge:
    """Open the bridge that the options describe.

    Raises:
        BridgeError: a package is not installed, or an address cannot be used.
    """
    from realtime.errors import BridgeError

    try:
        if args.protocol == "lsl":
            from realtime.bridges.lsl import LslBridge

            return LslBridge(
                args.connect, markers=args.markers, name=args.name, allow_network=args.allow_network
            )
        if args.protocol == "vmc":
            from realtime.bridges.vmc import VmcBridge

            return VmcBridge(args.host, args.port, allow_network=args.allow_network)
        if args.protocol == "vrchat":
            from realtime.bridges.vrchat import VrchatBridge

            return VrchatBridge(args.host, args.port, allow_network=args.allow_network)
        origins = [_origin(text) for text in args.allow_origin]
        if args.protocol == "opencap":
            from realtime.bridges.opencap import OpencapBridge

            return OpencapBridge(args.host, args.port, origins=origins, allow_network=args.allow_network)
        from realtime.bridges.json_websocket import JsonWebSocketBridge

        return JsonWebSocketBridge(
            args.host, args.port, poses=args.poses, origins=origins, allow_network=args.allow_network
        )
    except (ImportError, RuntimeError) as error:  # pylsl raises RuntimeError where LSL's library is missing
        raise BridgeError(f"{error}; bridges need more packages: pip install 'kinecast[bridges]'") from error


def _port(text: str) -> int:
    if not re.fullmatch(r"\d{1,5}", text) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def _origin(text: str) -> str:
    from realtime.errors import BridgeError

    if not re.fullmatch(r"https?://[\w.-]+(:\d{1,5})?", text):
        raise BridgeError(
            f"{text!r} is not the origin of a web site; accepted: an origin such as https://example.org"
        )
    return text
