% Print knee angles. Needs: a Python that MATLAB knows (pyenv), with pyzmq and msgpack installed.
socket = py.zmq.Context().socket(py.zmq.SUB);
socket.connect("tcp://127.0.0.1:5570");
socket.subscribe("meta ");
socket.subscribe("angles ");
session = "";
while true
    parts = cell(socket.recv().partition(py.bytes(uint8(' '))));
    message = py.msgpack.unpackb(parts{3});
    if startsWith(char(parts{1}.decode()), 'meta')
        session = string(message{'session'});
        model = message{'model'};
        names = cellfun(@string, cell(model{'coordinate_names'}));
    elseif string(message{'session'}) == session
        q = double(py.array.array('d', message{'q'}));
        fprintf('%d %.2f\n', int64(message{'frame_id'}), rad2deg(q(names == "knee_angle_r")));
    end
end
