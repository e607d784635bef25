"""Print knee angles. Needs: pip install pyzmq msgpack."""

import math
import os
import sys

import msgpack
import zmq

socket = zmq.Context().socket(zmq.SUB)
socket.connect(sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:5570")
socket.subscribe("meta ")
socket.subscribe("angles ")
names = {}
while True:
    topic, _, body = socket.recv().partition(b" ")
    message = msgpack.unpackb(body)
    if topic == b"meta":
        names = {message["session"]: message["model"]["coordinate_names"]}
    elif message["session"] in names:
        knee = names[message["session"]].index("knee_angle_r")
        try:
            print(
                message["frame_id"], math.degrees(message["q"][knee]), message["confidence"][knee], flush=True
            )
        except BrokenPipeError:  # `reader.py | head`
            os._exit(0)
