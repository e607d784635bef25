% Print knee angles of a tracker that runs with --encoding json. Octave and MATLAB; needs no Python.
% Octave: install its package zeromq (Debian: octave-zeromq), then: octave reader.m ADDRESS
% MATLAB: javaaddpath('jeromq.jar'), which is JeroMQ from Maven Central, then: address = 'ADDRESS'; reader
is_octave = exist('OCTAVE_VERSION', 'builtin') ~= 0;
if ~exist('address', 'var'), address = 'tcp://127.0.0.1:5570'; end
if is_octave
    words = argv();
    if ~isempty(words), address = words{end}; end
    pkg load zeromq
    socket = zmq_socket(ZMQ_SUB);
    zmq_connect(socket, address);
    subscribe = @(topic) zmq_setsockopt(socket, ZMQ_SUBSCRIBE, topic);
    receive = @() char(zmq_recv(socket, 2^20));
else
    context = javaObject('org.zeromq.ZContext');
    socket = javaMethod('createSocket', context, 2);  % 2: SUB
    javaMethod('connect', socket, address);
    subscribe = @(topic) javaMethod('subscribe', socket, uint8(topic));
    receive = @() char(javaMethod('recvStr', socket, 0));
end
subscribe('meta ');
subscribe('angles ');
session = '';
while true
    [topic, body] = strtok(receive(), ' ');
    message = jsondecode(body);
    if strcmp(topic, 'meta')
        session = message.session;
        knee = find(strcmp(message.model.coordinate_names, 'knee_angle_r'));
    elseif strcmp(message.session, session)
        if iscell(message.q), message.q = NaN(size(message.confidence)); end  % all null: nobody is in view
        fprintf('%d %.9g %.9g\n', message.frame_id, message.q(knee) * 180 / pi, message.confidence(knee));
        if is_octave, fflush(stdout); end
    end
end
