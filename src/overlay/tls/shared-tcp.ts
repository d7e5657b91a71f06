import { Server, type Socket } from 'node:net';
import type { CreateListenerOptions, Listener, Transport } from '@libp2p/interface';
import { tcp } from '@libp2p/tcp';
import { OVERLAY } from '../../core/config.ts';

/** First byte of a TLS record that begins a handshake (RFC 8446 section 5.1); multistream begins with a length, 0x13. */
const HANDSHAKE = 0x16;

type Components = Parameters<ReturnType<typeof tcp>>[0];

/**
 * libp2p's TCP transport, whose port also takes plain TLS: a connection whose first byte begins a TLS handshake goes to
 * `onTls`, every other one to libp2p. So a node has one port to open in a firewall.
 */
export function sharedTcp(onTls: (socket: Socket) => void): (components: Components) => Transport {
  return (components) => {
    const transport = tcp()(components);
    const create = transport.createListener.bind(transport);
    transport.createListener = (options: CreateListenerOptions): Listener => {
      const listener = create(options);
      // libp2p names no way to its server; without one a lane would need a port of its own.
      const server: unknown = 'server' in listener ? listener.server : null;
      if (!(server instanceof Server)) throw new Error('@libp2p/tcp has no server of node:net');
      const end = divert(server, onTls);
      const close = listener.close.bind(listener);
      listener.close = () => {
        // Its server waits for every connection, and libp2p knows nothing of those that were silent so far.
        end();
        return close();
      };
      return listener;
    };
    return transport;
  };
}

/** Gives the way to end the connections that nobody was given yet. */
function divert(server: Server, onTls: (socket: Socket) => void): () => void {
  const listeners = server.listeners('connection');
  const waiting = new Set<Socket>();
  let ended = false;
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    // Silent connections must not shut a node: the one that was silent longest makes way.
    if (waiting.size >= OVERLAY.maxPendingInbound) {
      const [oldest] = waiting;
      oldest?.destroy();
    }
    waiting.add(socket);
    const failed = (): void => void socket.destroy();
    const settle = (): void => {
      waiting.delete(socket);
      clearTimeout(late);
      socket.off('readable', readable).off('error', failed).off('close', settle);
    };
    const readable = (): void => {
      const head: unknown = socket.read();
      if (!(head instanceof Uint8Array)) return;
      settle();
      if (ended) {
        socket.destroy();
        return;
      }
      socket.unshift(head);
      if (head[0] === HANDSHAKE) onTls(socket);
      else for (const listener of listeners) Reflect.apply(listener, server, [socket]);
    };
    const late = setTimeout(failed, OVERLAY.upgradeTimeoutMs);
    late.unref();
    socket.on('readable', readable).on('error', failed).on('close', settle);
  });
  return () => {
    ended = true;
    for (const socket of waiting) socket.destroy();
  };
}
