import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A backend in a process of its own, to be killed: says its port, answers after some ms, with what the request asked for. */
const [port = '0', ms = '2'] = process.argv.slice(2);
const server = createServer((request, response) => {
  request.resume();
  setTimeout(() => response.end(`${request.url ?? ''} `), request.url === '/healthz' ? 0 : Number(ms));
});
server.listen(Number(port), '127.0.0.1', () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});
