// The conformance suite cannot send a credential. This loopback proxy adds it and changes nothing else: Host and
// Origin arrive as the suite wrote them. Prints its own URL of the endpoint.

import http from 'node:http';

const upstream = new URL(process.env.INTEROP_ENDPOINT);

const server = http.createServer((incoming, outgoing) => {
  const rawHeaders = [...incoming.rawHeaders, 'Authorization', `Bearer ${process.env.INTEROP_KEY}`];
  const { method, url: path } = incoming;
  const forwarded = http.request({ host: upstream.hostname, port: upstream.port, method, path, headers: rawHeaders });
  forwarded.on('response', (answer) => {
    outgoing.writeHead(answer.statusCode, answer.rawHeaders);
    answer.pipe(outgoing);
  });
  forwarded.on('error', (error) => outgoing.destroy(error));
  outgoing.on('close', () => forwarded.destroy());
  incoming.pipe(forwarded);
});

server.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}${upstream.pathname}`);
});
