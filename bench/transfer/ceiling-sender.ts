/**
 * The sending half of the ceiling (see ceiling.ts): file PATH, over `node:tls`, to whoever connects. Says its port to
 * its parent. argv: PATH CERTIFICATE (PEM, certificate and key).
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { createServer, type TLSSocket } from 'node:tls';

/** Bytes of one synchronous read and one write. */
const PIECE = 256 * 1024;
/** Buffers for pieces: those that the kernel has not taken yet. */
const PIECES = 8;

const [path = '', pem = ''] = process.argv.slice(2);
const secret = readFileSync(pem);
const server = createServer({ cert: secret, key: secret, minVersion: 'TLSv1.3' }, send);
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (typeof address === 'object') process.send?.(address?.port);
});
process.on('disconnect', () => process.exit());

function send(socket: TLSSocket): void {
  const file = openSync(path, 'r');
  const free = Array.from({ length: PIECES }, () => Buffer.allocUnsafeSlow(PIECE));
  let at = 0;
  let whole = false;
  const next = (): void => {
    while (!whole) {
      const piece = free.pop();
      if (piece === undefined) return;
      const read = readSync(file, piece, 0, PIECE, at);
      at += read;
      whole = read === 0;
      if (whole) socket.end();
      else
        socket.write(piece.subarray(0, read), () => {
          free.push(piece);
          next();
        });
    }
  };
  socket.on('error', () => socket.destroy());
  socket.on('close', () => closeSync(file));
  next();
}
