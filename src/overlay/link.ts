import type { Connection, Stream } from '@libp2p/interface';
import { labelOf } from '../core/address.ts';
import { OVERLAY } from '../core/config.ts';
import { asKelanaError, KelanaError } from '../core/errors.ts';
import type { Text } from '../core/lang.ts';
import { decodeFrame, encodeFrame, type LinkFrame } from '../core/wire/frames.ts';
import { delimit, FrameSplitter } from '../core/wire/lengths.ts';
import { dialable } from './contacts.ts';
import type { Beating, Pulse } from './pulse.ts';

export const LINK_PROTOCOL = '/kelana/link/2.0.0';
export const LINK_VERSION = 2;

/** Whoever takes our protocol and then closes at once is a kelana node that does not want this link. */
const CLOSED: Text = {
  id: 'ia tidak menerima sambungan ini: sudah penuh, atau menolak node ini karena dihapus atau dianggap berbohong',
  en: 'it does not take this link: it is full, or it refuses this node, which was removed there or is taken for a liar',
};

/** Pings and pongs of a neighbour within `OVERLAY.pingIntervalMs`: honest ones send one or two. */
const MAX_PINGS = 500;

/** One neighbour: a long-lived stream of frames, kept alive by pings. */
export interface Link {
  readonly peer: string;
  readonly label: string;
  readonly address: string;
  readonly direction: 'inbound' | 'outbound';
  readonly sinceMs: number;
  /** Multiaddrs that the peer names as its own, those that can be dialled; at most 16. */
  readonly addresses: readonly string[];
  /** log2 of the number of groups that the peer counts with, as it said at the hello. */
  readonly bits: number;
  send(frame: LinkFrame): void;
  /** Ends the link; `down` is called with the reason, once. Resolves when what was sent before is on its way. */
  close(reason: string): Promise<void>;
}

export interface LinkOptions {
  readonly stream: Stream;
  readonly connection: Connection;
  readonly hello: Extract<LinkFrame, { type: 'hello' }>;
  readonly now: () => number;
  readonly pulse: Pulse;
  /** Called at the hello, before any further frame; false turns the link down again, without `onDown`. */
  onUp(link: Link): boolean;
  onFrame(link: Link, frame: LinkFrame): void;
  onDown(link: Link, reason: string): void;
}

/**
 * Says hello both ways and resolves to the link; frames after the hello go to `onFrame`.
 * @throws KelanaError NOT_KELANA where no hello of our version comes in time, PEER_UNREACHABLE where the peer closes
 *   the stream instead
 */
export function openLink(options: LinkOptions): Promise<Link> {
  const { stream, connection, hello, now, pulse } = options;
  const peer = connection.remotePeer.toString();
  return new Promise((resolve, reject) => {
    const splitter = new FrameSplitter(OVERLAY.maxFrameBytes);
    let link: Link | null = null;
    let down = false;
    let heardAt = now();
    let sentAt = heardAt;
    /** Since then. */
    let pings = 0;
    let countedAt = heardAt;

    let closed = Promise.resolve();
    const end = (why: string, error?: KelanaError): Promise<void> => {
      if (down) return closed;
      down = true;
      pulse.delete(beating);
      clearTimeout(patience);
      if (error !== undefined) stream.abort(error);
      else {
        closed = stream.close({ signal: AbortSignal.timeout(OVERLAY.closeMs) }).catch(() => undefined);
        // A peer that keeps its half open could go on sending what nobody reads.
        const late = setTimeout(() => stream.abort(new Error('not closed')), OVERLAY.closeMs);
        late.unref();
        stream.addEventListener('close', () => clearTimeout(late));
      }
      if (link === null)
        reject(
          error ??
            new KelanaError('PEER_UNREACHABLE', { peer: connection.remoteAddr.toString(), why: CLOSED }),
        );
      else options.onDown(link, why);
      return closed;
    };

    const send = (frame: LinkFrame): void => {
      if (down) return;
      if (stream.writeBufferLength > OVERLAY.maxSendQueueBytes) {
        void end('send queue full', new KelanaError('PEER_UNREACHABLE', { peer, why: 'send queue full' }));
        return;
      }
      try {
        stream.send(delimit(encodeFrame(frame)));
        sentAt = now();
      } catch {
        // Only a stream that is closed already refuses.
        void end('connection closed');
      }
    };

    const take = (frame: LinkFrame): void => {
      if (frame.type === 'ping' || frame.type === 'pong') {
        if (heardAt - countedAt >= OVERLAY.pingIntervalMs) [pings, countedAt] = [0, heardAt];
        pings += 1;
        if (pings > MAX_PINGS) void end('flood');
      }
      if (frame.type === 'ping') send({ type: 'pong', nonce: frame.nonce });
      else if (frame.type === 'pong') return;
      else if (link !== null && frame.type !== 'hello') options.onFrame(link, frame);
      else if (link === null && frame.type === 'hello') greet(frame);
      else throw new KelanaError('PEER_PROTOCOL', { peer, why: 'hello out of place' });
    };

    const greet = (theirs: Extract<LinkFrame, { type: 'hello' }>): void => {
      if (theirs.version !== LINK_VERSION) {
        throw new KelanaError('NOT_KELANA', {
          peer: theirs.label,
          why: `link version ${theirs.version}, not ${LINK_VERSION}`,
        });
      }
      clearTimeout(patience);
      const address = connection.remoteAddr.toString();
      const parts = address.split('/');
      // What we saw of the peer's address beats what it says of it; only the port it listens on is its own word.
      const label = labelOf(parts[2] ?? '', theirs.port > 0 ? theirs.port : Number(parts[4] ?? 0));
      const greeted: Link = {
        peer,
        label,
        address,
        direction: stream.direction,
        sinceMs: now(),
        addresses: dialable(theirs.addresses),
        bits: theirs.bits,
        send,
        close: (why) => end(why),
      };
      if (!options.onUp(greeted)) {
        void end('not needed');
        return;
      }
      link = greeted;
      resolve(greeted);
    };

    stream.addEventListener('message', (event) => {
      heardAt = now();
      try {
        for (const bytes of splitter.push(event.data.subarray())) {
          if (down) return;
          take(decodeFrame(bytes));
        }
      } catch (thrown) {
        const error = asKelanaError(thrown);
        void end(error.message, error);
      }
    });
    stream.addEventListener('remoteCloseWrite', () => void end('closed by the peer'));
    stream.addEventListener('close', (event) => void end(event.error?.message ?? 'connection closed'));

    const patience = setTimeout(() => {
      const error = new KelanaError('NOT_KELANA', {
        peer: connection.remoteAddr.toString(),
        why: 'no hello',
      });
      void end('no hello', error);
    }, OVERLAY.dialTimeoutMs);
    const beating: Beating = {
      get heardAt() {
        return heardAt;
      },
      get sentAt() {
        return sentAt;
      },
      // An unasked pong says all that there is to say, and nobody answers it.
      beat: (kind) => send({ type: kind === 'question' ? 'ping' : 'pong', nonce: 0 }),
      silent: () => {
        const seconds = (3 * OVERLAY.pingIntervalMs) / 1000;
        void end('silent', new KelanaError('TIMEOUT', { what: 'ping', seconds }));
      },
    };
    pulse.add(beating);
    send(hello);
  });
}
