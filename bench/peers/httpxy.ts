/** A proxy on node:http: httpxy, the maintained descendant of http-proxy. Arguments: port, backend port. */
import { Agent, createServer, type IncomingMessage, type ServerResponse } from 'node:http';

interface Proxy {
  web(request: IncomingMessage, response: ServerResponse): Promise<void>;
}
interface Httpxy {
  createProxyServer(options: object): Proxy;
}
// Installed by the bench in this folder alone, so its types are not there for a check of the whole.
const name: string = 'httpxy';
const httpxy = (await import(name)) as Httpxy;

const [port, backend] = process.argv.slice(2).map(Number);
const proxy = httpxy.createProxyServer({
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
