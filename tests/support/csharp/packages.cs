// Stand-ins for the parts of NetMQ and MessagePack that Reader.cs uses, so that it compiles and runs with
// mono alone: signatures and results as those packages document them, on top of libzmq.
using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Text;

namespace NetMQ
{
    public interface IReceivingSocket
    {
        byte[] Receive();
    }

    public static class ReceivingSocketExtensions
    {
        public static byte[] ReceiveFrameBytes(this IReceivingSocket socket) { return socket.Receive(); }
    }
}

namespace NetMQ.Sockets
{
    public class SubscriberSocket : NetMQ.IReceivingSocket, IDisposable
    {
        const int Sub = 2, SubscribeOption = 6;
        readonly byte[] buffer = new byte[1 << 20];
        readonly IntPtr context = zmq_ctx_new(), socket;

        public SubscriberSocket() { socket = zmq_socket(context, Sub); }

        public void Connect(string address) { Check(zmq_connect(socket, address)); }

        public void Subscribe(string topic)
        {
            byte[] prefix = Encoding.UTF8.GetBytes(topic);
            Check(zmq_setsockopt(socket, SubscribeOption, prefix, (UIntPtr)prefix.Length));
        }

        public byte[] Receive()
        {
            int length = Check(zmq_recv(socket, buffer, (UIntPtr)buffer.Length, 0));
            var frame = new byte[length];
            Array.Copy(buffer, frame, length);
            return frame;
        }

        public void Dispose() { zmq_close(socket); }

        static int Check(int result)
        {
            if (result < 0) throw new InvalidOperationException("libzmq refused");
            return result;
        }

        [DllImport("libzmq.so.5")] static extern IntPtr zmq_ctx_new();
        [DllImport("libzmq.so.5")] static extern IntPtr zmq_socket(IntPtr context, int type);
        [DllImport("libzmq.so.5")] static extern int zmq_connect(IntPtr socket, string address);
        [DllImport("libzmq.so.5")] static extern int zmq_close(IntPtr socket);
        [DllImport("libzmq.so.5")]
        static extern int zmq_setsockopt(IntPtr socket, int option, byte[] value, UIntPtr length);
        [DllImport("libzmq.so.5")] static extern int zmq_recv(IntPtr socket, byte[] buffer, UIntPtr length, int flags);
    }
}

namespace MessagePack
{
    public static class MessagePackSerializer
    {
        // As for `object` in MessagePack for C#: object[], Dictionary<object, object>, string, double, bool, null
        // and the integer type that is on the wire.
        public static T Deserialize<T>(byte[] buffer)
        {
            int at = 0;
            var map = (Dictionary<object, object>)Read(buffer, ref at);
            var result = new Dictionary<string, object>();
            foreach (var pair in map) result.Add((string)pair.Key, pair.Value);
            return (T)(object)result;
        }

        static object Read(byte[] b, ref int at)
        {
            byte code = b[at++];
            if (code < 0x80) return code;
            if (code < 0x90) return Map(b, ref at, code & 0x0f);
            if (code < 0xa0) return List(b, ref at, code & 0x0f);
            if (code < 0xc0) return Text(b, ref at, code & 0x1f);
            if (code >= 0xe0) return (sbyte)code;
            switch (code)
            {
                case 0xc0: return null;
                case 0xc2: return false;
                case 0xc3: return true;
                case 0xca: return BitConverter.ToSingle(BitConverter.GetBytes((uint)Number(b, ref at, 4)), 0);
                case 0xcb: return BitConverter.Int64BitsToDouble((long)Number(b, ref at, 8));
                case 0xcc: return (byte)Number(b, ref at, 1);
                case 0xcd: return (ushort)Number(b, ref at, 2);
                case 0xce: return (uint)Number(b, ref at, 4);
                case 0xcf: return Number(b, ref at, 8);
                case 0xd0: return (sbyte)Number(b, ref at, 1);
                case 0xd1: return (short)Number(b, ref at, 2);
                case 0xd2: return (int)Number(b, ref at, 4);
                case 0xd3: return (long)Number(b, ref at, 8);
                case 0xd9: return Text(b, ref at, (int)Number(b, ref at, 1));
                case 0xda: return Text(b, ref at, (int)Number(b, ref at, 2));
                case 0xdc: return List(b, ref at, (int)Number(b, ref at, 2));
                case 0xde: return Map(b, ref at, (int)Number(b, ref at, 2));
                default: throw new FormatException("unexpected msgpack code " + code);
            }
        }

        static ulong Number(byte[] b, ref int at, int size)
        {
            ulong value = 0;
            for (int k = 0; k < size; k++) value = value << 8 | b[at++];
            return value;
        }

        static string Text(byte[] b, ref int at, int length)
        {
            at += length;
            return Encoding.UTF8.GetString(b, at - length, length);
        }

        static object[] List(byte[] b, ref int at, int length)
        {
            var items = new object[length];
            for (int k = 0; k < length; k++) items[k] = Read(b, ref at);
            return items;
        }

        static Dictionary<object, object> Map(byte[] b, ref int at, int length)
        {
            var map = new Dictionary<object, object>();
            for (int k = 0; k < length; k++)
            {
                object key = Read(b, ref at);
                map.Add(key, Read(b, ref at));
            }
            return map;
        }
    }
}
