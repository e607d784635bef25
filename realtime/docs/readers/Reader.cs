// Print knee angles. Needs: dotnet add package NetMQ; dotnet add package MessagePack
using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using MessagePack;
using NetMQ;
using NetMQ.Sockets;

static class Reader
{
    static void Main(string[] args)
    {
        string session = null;
        int knee = -1;
        using (var socket = new SubscriberSocket())
        {
            socket.Connect(args.Length > 0 ? args[0] : "tcp://127.0.0.1:5570");
            socket.Subscribe("meta ");
            socket.Subscribe("angles ");
            while (true)
            {
                byte[] frame = socket.ReceiveFrameBytes();
                int space = Array.IndexOf(frame, (byte)' ');
                byte[] body = frame.Skip(space + 1).ToArray();
                var message = MessagePackSerializer.Deserialize<Dictionary<string, object>>(body);
                if (Encoding.ASCII.GetString(frame, 0, space) == "meta")
                {
                    session = (string)message["session"];
                    var model = (Dictionary<object, object>)message["model"];
                    knee = Array.IndexOf((object[])model["coordinate_names"], "knee_angle_r");
                }
                else if ((string)message["session"] == session)
                {
                    double degrees = Convert.ToDouble(((object[])message["q"])[knee]) * 180 / Math.PI;
                    object confidence = ((object[])message["confidence"])[knee];
                    Console.WriteLine(FormattableString.Invariant($"{message["frame_id"]} {degrees} {confidence}"));
                }
            }
        }
    }
}
