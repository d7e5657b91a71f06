/** A proxy on node:http: httpxy, the maintained descendant of http-proxy. Arguments: port, backend port. */
import { Agent, createServer } from 'node:http';
import { createProxyServer } from 'httpxy';

const [port, backend] = process.argv.slice(2).map(Number);
const proxy = createProxyServer({
  target: `http://127.0.0.1:${backend ?? 0}`,
  agent: new Agent({ keepAlive: true, maxSockets: 256 }),
  xfwd: true,
});
const server = createServer({ keepAliveTimeout: 120_000 }, (request, response) => {
  proxy.web(request, response).catch(() => {
    if (!response.headersSent) response.writeHead(502);
    response.end();
  });
});
server.listen(port, '127.0.0.1', () => process.stdout.write('ready\n'));
