import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { argv } from 'node:process';

/**
 * A server that says which request it answers, and notes each one that changes something before it answers: what is in
 * the file was acted on, also when the process is killed the moment after. Arguments: port, file.
 */
const [port = '0', file = ''] = argv.slice(2);

const server = createServer((request, response) => {
  const id = String(request.headers['x-id'] ?? '');
  const wait = Number(request.headers['x-wait'] ?? 0);
  let body = '';
  request.setEncoding('utf8').on('data', (text: string) => {
    body += text;
  });
  request.on('end', () => {
    if (request.method === 'POST') appendFileSync(file, `${id}\n`);
    const answer = (): void => {
      response.setHeader('X-Id', id);
      const text = `${id} ${body} ${'.'.repeat(id.length * 7)}`;
      // Half of them in chunks, in one write all the same.
      if (id.endsWith('1')) {
        response.cork();
        response.write(text.slice(0, 5));
        response.end(text.slice(5));
        response.uncork();
      } else response.end(text);
    };
    if (wait > 0) setTimeout(answer, wait);
    else answer();
  });
});
server.keepAliveTimeout = 120_000;
server.listen(Number(port), '127.0.0.1', () => console.log('ready'));
