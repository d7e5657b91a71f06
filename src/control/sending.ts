import { MAILBOX, MESSAGES } from '../core/config.ts';
import { asKelanaError, KelanaError } from '../core/errors.ts';
import type {
  CarrierPort,
  NewLetter,
  OutboxItem,
  PostmanPort,
  PostPort,
  PrivateFile,
  PrivateFolder,
  PrivateHoldingsPort,
} from '../core/messages/ports.ts';
import type { Provider } from '../core/ports.ts';
import type { OfferLetter } from '../core/wire/messages.ts';
import type { Changes } from './changes.ts';
import type { SendEvent } from './mail-events.ts';
import { lost } from './mail-desk.ts';
import { isAway, whoIs } from './who.ts';

export interface SendingOptions {
  readonly post: PostPort;
  readonly carrier: CarrierPort;
  readonly postman: PostmanPort;
  readonly holdings: PrivateHoldingsPort;
  readonly changes: Changes;
  /** Opens a file, or a folder with all its files, to a peer. */
  collect(
    peer: string,
    group: string,
    path: string,
    signal: AbortSignal,
    onFile: (file: PrivateFile) => void,
  ): Promise<PrivateFolder & { cid: string; folder: boolean }>;
  /** 128 random bits, hex. */
  newId(): string;
  /** ms since 1970. */
  readonly now: () => number;
}

export interface SendRequest {
  /** Label, host:port, multiaddr or peer id. */
  readonly to: string;
  /** One of both. */
  readonly text?: string;
  /** Absolute path of a file or folder. */
  readonly path?: string;
  /** ms to wait for the receiver's decision. */
  readonly timeoutMs?: number;
}

/**
 * Puts a message or an offer into the outbox and tells what becomes of it. Whoever stops reading stops nothing: the
 * letter stays in the outbox.
 */
export async function* sendLetter(
  options: SendingOptions,
  request: SendRequest,
  signal: AbortSignal,
): AsyncGenerator<SendEvent> {
  const { post, postman, now } = options;
  if (request.path === undefined) checkText(request.text ?? '');
  const to = await receiverOf(options, request.to, signal);
  const id = options.newId();
  const { letter, ...opened } =
    request.path === undefined
      ? {
          letter: { type: 'text', id, sentAt: now(), text: request.text ?? '' } as const,
          holdings: [],
          folders: [],
        }
      : yield* offerOf(options, to, id, request.path, signal);
  let item: OutboxItem;
  try {
    item = await post.queue({ to, letter, now: now(), expiresAt: now() + MESSAGES.expireMs, ...opened });
  } catch (thrown) {
    options.holdings.revoke(to.peer, id);
    throw thrown;
  }
  const { no, label, text: name, size, files, cid } = item;
  const kind = letter.type;
  yield {
    type: 'queued',
    no,
    id,
    peer: to.peer,
    label,
    kind,
    name: kind === 'text' ? '' : name,
    size,
    files,
    cid,
  };
  postman.queued(to.peer);
  yield* follow(options, item, now() + (request.timeoutMs ?? MESSAGES.waitMs), signal);
}

/** What becomes of a letter, from its stored state: nothing here is lost when nobody reads. */
async function* follow(
  options: SendingOptions,
  queued: OutboxItem,
  until: number,
  signal: AbortSignal,
): AsyncGenerator<SendEvent> {
  const { post, changes, holdings, now } = options;
  const started = now();
  let told: OutboxItem['state'] = 'waiting';
  let bytes = -1;
  while (!signal.aborted) {
    const version = changes.version;
    const item = await post.outItem(queued.no);
    // Forgotten, after a thousand others: it must have ended.
    if (item === null) return;
    const { state, label } = item;
    if (state !== told && told === 'waiting' && state !== 'failed') yield { type: 'delivered' };
    if (state !== told && state === 'accepted') yield { type: 'accepted' };
    told = state;
    if (state === 'delivered' && item.kind === 'text') return;
    if (state === 'refused' || state === 'failed') {
      yield { type: 'failed', error: lost(item) };
      return;
    }
    if (state === 'done') {
      yield { type: 'done', bytes: item.size, seconds: (now() - started) / 1000 };
      return;
    }
    if (state === 'waiting' && item.why !== null) {
      yield { type: 'waiting', label, why: item.why, expiresAt: item.expiresAt };
      return;
    }
    const sent = Math.min(item.size, holdings.sent(item.peer, item.id));
    if (state === 'accepted' && sent !== bytes)
      yield { type: 'progress', bytes: sent, size: item.size, name: item.text };
    bytes = sent;
    if (now() >= until) {
      if (state === 'waiting') yield { type: 'waiting', label, why: 'busy', expiresAt: item.expiresAt };
      else yield { type: 'open', state, label };
      return;
    }
    await changes.after(version, Math.min(MESSAGES.progressMs, Math.max(1, until - now())), signal);
  }
}

async function* offerOf(
  options: SendingOptions,
  to: Provider,
  id: string,
  path: string,
  signal: AbortSignal,
): AsyncGenerator<SendEvent, Pick<NewLetter, 'holdings' | 'folders'> & { letter: OfferLetter }> {
  const { now, changes } = options;
  const read = { files: 0, bytes: 0 };
  const reading = { ended: false };
  const collecting = options
    .collect(to.peer, id, path, signal, ({ size }) => {
      read.files += 1;
      read.bytes += size;
    })
    .finally(() => {
      reading.ended = true;
      changes.tell();
    });
  // Awaited below; until then a failure must not count as unhandled.
  collecting.catch(() => undefined);
  const name = path.slice(path.lastIndexOf('/') + 1);
  for (let told = -1; !reading.ended && !signal.aborted;) {
    const version = changes.version;
    if (read.files !== told && read.files > 0) yield { type: 'reading', name, ...read };
    told = read.files;
    if (!reading.ended) await changes.after(version, MESSAGES.progressMs, signal);
  }
  const { name: stored, cid, folder, files, folders } = await collecting;
  const size = files.reduce((sum, file) => sum + file.size, 0);
  const count = folder ? files.length : 0;
  const letter = { type: 'offer', id, sentAt: now(), name: stored, size, cid, files: count } as const;
  return { letter, holdings: files, folders };
}

/** @throws KelanaError BAD_VALUE */
function checkText(text: string): void {
  const why =
    text === ''
      ? { id: 'pesannya kosong', en: 'the message is empty' }
      : !text.isWellFormed()
        ? { id: 'bukan Unicode yang sah', en: 'it is not well-formed Unicode' }
        : Buffer.byteLength(text) > MAILBOX.maxTextBytes
          ? {
              id: `lebih dari ${MAILBOX.maxTextBytes} byte`,
              en: `it is longer than ${MAILBOX.maxTextBytes} bytes`,
            }
          : null;
  if (why === null) return;
  const value = text.slice(0, 40);
  throw new KelanaError('BAD_VALUE', {
    name: 'TEXT',
    value,
    why,
    example: 'kelana send localhost:5002 halo',
  });
}

/** As `whoIs`. @throws KelanaError BAD_VALUE, NODE_UNKNOWN */
async function receiverOf(options: SendingOptions, text: string, signal: AbortSignal): Promise<Provider> {
  try {
    return await whoIs(options, text, signal, 'kelana send');
  } catch (thrown) {
    const error = asKelanaError(thrown);
    if (!isAway(error)) throw error;
    throw new KelanaError('NODE_UNKNOWN', { peer: text, why: error.params['why'] ?? error.message }, error);
  }
}
