// Print knee angles. Needs: dotnet add package NetMQ; dotnet add package MessagePack
using System.Text;
using MessagePack;
using NetMQ;
using NetMQ.Sockets;

using var socket = new SubscriberSocket();
socket.Connect(args.Length > 0 ? args[0] : "tcp://127.0.0.1:5570");
socket.Subscribe("meta ");
socket.Subscribe("angles ");
string? session = null;
int knee = -1;
while (true)
{
    byte[] frame = socket.ReceiveFrameBytes();
    int space = Array.IndexOf(frame, (byte)' ');
    var message = MessagePackSerializer.Deserialize<Dictionary<string, object>>(frame.AsMemory(space + 1));
    if (Encoding.ASCII.GetString(frame, 0, space) == "meta")
    {
        session = (string)message["session"];
        knee = Array.IndexOf((object[])((Dictionary<object, object>)message["model"])["coordinate_names"], "knee_angle_r");
    }
    else if ((string)message["session"] == session)
    {
        double degrees = Convert.ToDouble(((object[])message["q"])[knee]) * 180 / Math.PI;
        Console.WriteLine($"{message["frame_id"]} {degrees} {((object[])message["confidence"])[knee]}");
    }
}
