// Print knee angles. Needs: npm install zeromq @msgpack/msgpack
const { Subscriber } = require("zeromq");
const { decode } = require("@msgpack/msgpack");

async function main() {
  const socket = new Subscriber();
  socket.connect(process.argv[2] ?? "tcp://127.0.0.1:5570");
  socket.subscribe("meta ", "angles ");
  let session, names;
  for await (const [frame] of socket) {
    const space = frame.indexOf(" ");
    const message = decode(frame.subarray(space + 1));
    if (frame.toString("ascii", 0, space) === "meta") {
      [session, names] = [message.session, message.model.coordinate_names];
    } else if (message.session === session) {
      const knee = names.indexOf("knee_angle_r");
      console.log(message.frame_id, (message.q[knee] * 180) / Math.PI, message.confidence[knee]);
    }
  }
}
main();
