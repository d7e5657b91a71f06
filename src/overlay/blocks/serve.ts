import { TRANSFER } from '../../core/config.ts';
import { KelanaError, reason } from '../../core/errors.ts';
import type { BlockReader } from '../../core/messages/ports.ts';
import { sourceOf } from '../../core/http/ip.ts';
import type { BlockPieces, BlockSourcePort, Provider } from '../../core/ports.ts';
import { fromCidBytes, RAW } from '../../core/transfer/cid.ts';
import type { Nodes } from '../../core/transfer/manifest.ts';
import type { PartialReader } from '../../core/transfer/ports.ts';
import {
  ALL,
  BlockFrameReader,
  breach,
  decodeAsk,
  encodeFrame,
  FRAME,
  HEAD_BYTES,
  LAST,
  REFUSALS,
  writeHead,
  type Head,
  type RefusalCode,
} from '../../core/wire/blocks.ts';
import { encodeFetchers } from '../../core/wire/fetchers.ts';
import type { Turns } from '../turns.ts';
import { Buffers } from './buffers.ts';
import { PATIENCE_MS, type ByteChannel } from './channel.ts';
import { DueQueue, type Due } from './due.ts';
import { hostOf } from './fetchers.ts';
import type { Asking } from './places.ts';

const NOTHING = new Uint8Array(0);

export interface ServeOptions {
  readonly source: BlockSourcePort;
  /** A file that is open to this peer alone; undefined where there is none. */
  readonly visible: (cid: string) => BlockReader | undefined;
  /** A file that this node is still fetching; undefined where there is none. */
  readonly partial: (cid: string) => PartialReader | undefined;
  /** Who else fetches this; the asker gives what it has at `port`, where that is not 0. */
  readonly others: (cid: string, port: number) => readonly Provider[];
  readonly peer: string;
  /** The bandwidth of uploads, which peers share evenly. */
  readonly turns: Turns;
  /** Told of each block that went out; with the file's name where it is not shared. */
  readonly sent: (cid: string, bytes: number, name?: string) => void;
  /** Where it comes from: who shares that shares the places. */
  readonly from: string;
  /** Whether it is served; asked until it is. Everything is refused before. */
  readonly place: (upload: Asking) => boolean;
  readonly now: () => number;
}

/** Blocks that go out in one write: small ones together, a large one alone. */
interface Pack {
  readonly buffer: Uint8Array;
  /** Bytes of it that are filled. */
  end: number;
  readonly blocks: { readonly cid: string; readonly bytes: number; readonly name: string | undefined }[];
}

/**
 * Answers one asker, in the order of its requests. What is asked for and not yet sent is numbers, not blocks: blocks are
 * read `TRANSFER.readAhead` ahead of the socket at most. As long as it is on purpose: each step may end the upload, and
 * gives back the same places, buffers and turns.
 */
export class Upload implements Asking {
  readonly peer: string;
  readonly source: string;
  readonly #channel: ByteChannel;
  readonly #options: ServeOptions;
  readonly #due = new DueQueue();
  /** Requests less cancels: who cancels more breaks the protocol. */
  #cancellable = 0;
  #placed = false;
  #answering = false;
  /** A block may follow what is not yet enough for a write. */
  readonly #packs = new Buffers(TRANSFER.readAhead, TRANSFER.frameBytes + HEAD_BYTES + TRANSFER.blockBytes);
  /** Of large blocks. */
  readonly #parts = new Buffers(TRANSFER.piecesAhead, HEAD_BYTES + TRANSFER.pieceBytes);
  /** Blocks that were read and not yet written. */
  #pack: Pack | null = null;
  /** The request whose nodes are being sent; -1: none, or no more of them. */
  #listing = -1;
  /** When something was last taken by the other side. */
  #movedAt = 0;
  /** Aborted at the end: the last turns of a channel that is gone must not take from others. */
  readonly #over = new AbortController();
  #ended = false;
  #failed: Error | null = null;
  #wake: (() => void) | null = null;
  #lastCid: { bytes: Uint8Array; text: string; single: boolean } | null = null;
  /** No block was sent yet: the first may be what a search has to be shown. */
  #fresh = true;
  /** A manifest was, at once; what it owes must not hold up the block that is shown after it. */
  #first = false;

  constructor(channel: ByteChannel, options: ServeOptions) {
    this.#channel = channel;
    this.#options = options;
    this.peer = options.peer;
    this.source = sourceOf(hostOf(options.from) ?? '');
    this.#movedAt = options.now();
  }

  get movedAt(): number {
    return this.#movedAt;
  }

  get owed(): boolean {
    const unfilled = this.#pack?.end === 0 ? 1 : 0;
    return this.#due.size > 0 || this.#answering || this.#parts.out + this.#packs.out > unfilled;
  }

  abort(why: Error): void {
    this.#fail(why);
  }

  /** Resolves when the channel has ended. */
  async run(): Promise<void> {
    const { now } = this.#options;
    const reader = new BlockFrameReader({
      room: () => null,
      frame: (head, payload) => this.#take(head, payload),
    });
    const watch = setInterval(() => {
      // Who asks for nothing, or takes nothing, holds a place that others wait for.
      if (now() - this.#movedAt > PATIENCE_MS) this.#fail(new Error(`idle for ${PATIENCE_MS / 1000} s`));
    }, PATIENCE_MS / 4);
    watch.unref();
    this.#channel.start(reader, (error) => {
      this.#ended = true;
      this.#over.abort(error ?? new Error('ended'));
      this.#failed ??= error;
      this.#wake?.();
    });
    try {
      for (;;) {
        while (this.#due.size === 0 && !this.#ended)
          if (this.#pack === null || this.#pack.end === 0) await this.#change();
          else await this.#flush();
        const due = this.#due.take();
        if (this.#failed !== null) throw this.#failed;
        if (due === undefined) break;
        this.#answering = true;
        await this.#answer(due);
        this.#answering = false;
      }
    } catch (thrown) {
      this.#channel.abort(thrown instanceof Error ? thrown : new Error(String(thrown)));
    } finally {
      clearInterval(watch);
      this.#ended = true;
      await this.#channel.close();
    }
  }

  #take(head: Head, payload: Uint8Array): void {
    const ask = decodeAsk(head, payload);
    const { request } = ask;
    if (ask.type === 'cancel') {
      this.#cancellable -= 1;
      if (this.#cancellable < 0) throw breach('more cancels than requests');
      if (this.#listing >= request && this.#listing < request + ask.count) this.#listing = -1;
      this.#due.cancel(request, ask.count);
      return;
    }
    const count = ask.type === 'blocks' ? ask.count : 1;
    if (this.#due.size + count > TRANSFER.maxAsked) throw breach('more requests than an asker may have open');
    this.#cancellable += count;
    if (ask.type === 'blocks') this.#due.add('block', request, ask.cid, ask.first, count);
    else {
      const index = ask.type === 'peers' ? ask.port : ask.type === 'node' ? ask.number : 0;
      // A payload is only valid now.
      this.#due.add(ask.type, request, ask.cid.slice(), index, 1);
    }
    this.#wake?.();
  }

  /** Until a request came, memory is free again, or all is over. */
  async #change(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = null;
    if (this.#failed !== null) throw this.#failed;
  }

  async #answer({ type, request, cid: bytes, index }: Due): Promise<void> {
    this.#placed ||= this.#options.place(this);
    if (!this.#placed) return await this.#refuse(request, 'busy');
    const { source, visible } = this.#options;
    const cid = this.#textOf(bytes);
    const own = cid === null ? undefined : visible(cid);
    const part = cid === null || own !== undefined ? undefined : this.#partial(cid);
    if (cid === null) await this.#refuse(request, 'not-here');
    else if (type === 'block') await this.#block(request, cid, index, own ?? part);
    else if (type === 'manifest') await this.#manifest(request, cid, own ?? part ?? source, null);
    else if (type === 'node') await this.#manifest(request, cid, own ?? part ?? source, index);
    else if (own === undefined && part === undefined && !this.#shares(cid))
      await this.#refuse(request, 'not-here');
    else if (type === 'peers') {
      // What is sent to one peer is nobody else's business.
      const others = own === undefined ? this.#options.others(cid, index) : [];
      await this.#flush();
      await this.#write(encodeFrame(FRAME.peers, 0, request, encodeFetchers(others)));
    } else {
      await this.#flush();
      const have = own === undefined ? (part?.have.slice() ?? null) : null;
      await this.#turn(have?.length ?? 0);
      await this.#write(encodeFrame(FRAME.have, have === null ? ALL : 0, request, have ?? NOTHING));
    }
  }

  async #turn(bytes: number): Promise<void> {
    if (bytes === 0) return;
    const wait = this.#options.turns.take(this.#options.peer, bytes, this.#over.signal);
    if (wait !== undefined) await wait;
  }

  #shares(cid: string): boolean {
    return this.#options.source.lookup({ kind: 'cid', cid }).length > 0;
  }

  /** What is here whole is not given in parts. */
  #partial(cid: string): PartialReader | undefined {
    const found = this.#options.partial(cid);
    return found === undefined || this.#shares(cid) ? undefined : found;
  }

  /** `only` the node with this number; null: all of them. Each is made when it is next, and none after a cancel. */
  async #manifest(
    request: number,
    cid: string,
    source: Pick<BlockReader, 'manifest'>,
    only: number | null,
  ): Promise<void> {
    let nodes: Nodes;
    this.#listing = request;
    try {
      nodes = await source.manifest(cid);
    } catch (thrown) {
      await this.#refuse(request, refusalOf(thrown));
      return;
    }
    if (this.#listing !== request) return;
    await this.#flush();
    const { turns } = this.#options;
    this.#first ||= this.#fresh && turns.free();
    const last = only ?? nodes.length - 1;
    if (last >= nodes.length) return await this.#refuse(request, 'absent');
    if (last < 0) await this.#write(encodeFrame(FRAME.manifest, LAST, request, NOTHING));
    for (let at = only ?? 0; at <= last && this.#listing === request; at += 1) {
      const node = nodes.at(at) ?? NOTHING;
      // A listing may be many megabytes: it takes its turns as blocks do.
      await this.#turn(node.length);
      if (this.#listing !== request) return;
      await this.#write(encodeFrame(FRAME.manifest, at === last ? LAST : 0, request, node));
    }
  }

  /** Resolves when the block is with the socket, or waits for the next one to go with it; not when it is sent. */
  async #block(request: number, cid: string, index: number, own: BlockReader | undefined): Promise<void> {
    if (own === undefined) {
      let pieces: BlockPieces | null | undefined;
      try {
        pieces = this.#options.source.pieces?.(cid, index);
      } catch (thrown) {
        await this.#refuse(request, refusalOf(thrown));
        return;
      }
      if (pieces) return await this.#pieces(request, cid, pieces);
    }
    const pack = this.#pack ?? { buffer: await this.#memory(this.#packs), end: 0, blocks: [] };
    this.#pack = pack;
    const at = pack.end + HEAD_BYTES;
    const room = pack.buffer.subarray(at, at + TRANSFER.blockBytes);
    const { source } = this.#options;
    let length = own === undefined ? (source.readNow?.(cid, index, room) ?? null) : null;
    if (length === null) {
      try {
        const block = await (own ?? source).readBlock(cid, index, room);
        // A file that is open to one peer may lie in memory of its own.
        if (block.buffer !== pack.buffer.buffer) pack.buffer.set(block, at);
        ({ length } = block);
      } catch (thrown) {
        await this.#refuse(request, refusalOf(thrown));
        return;
      }
    }
    writeHead(pack.buffer.subarray(pack.end, at), { type: FRAME.data, flags: LAST, request, length });
    pack.end = at + length;
    pack.blocks.push({ cid, bytes: length, name: own?.name });
    if (pack.end >= TRANSFER.frameBytes) await this.#flush();
  }

  /** A large block in several frames: what could not be read is refused, whatever went before. */
  async #pieces(request: number, cid: string, block: BlockPieces): Promise<void> {
    await this.#flush();
    const { peer, turns, now } = this.#options;
    const { size } = block;
    const single = this.#single();
    let paid = 0;
    for (let at = 0; at < size;) {
      const buffer = this.#parts.take() ?? (await this.#memory(this.#parts));
      const end = Math.min(size, at + turns.piece(TRANSFER.pieceBytes));
      const frame = buffer.subarray(0, HEAD_BYTES + end - at);
      try {
        const read = block.read(frame.subarray(HEAD_BYTES), at);
        if (read !== undefined) await read;
      } catch (thrown) {
        this.#parts.give(buffer);
        await this.#refuse(request, refusalOf(thrown));
        return;
      }
      const flags = end === size ? LAST : 0;
      writeHead(frame, { type: FRAME.data, flags, request, length: end - at });
      if (end > paid) {
        paid = single ? size : end;
        const wait = turns.take(peer, paid - at, this.#over.signal);
        if (wait !== undefined) await wait;
      }
      this.#channel.write(frame).then(
        () => {
          this.#movedAt = now();
          if (end === size) this.#options.sent(cid, size);
          this.#parts.give(buffer);
          this.#wake?.();
        },
        (thrown: unknown) => this.#fail(thrown),
      );
      at = end;
    }
  }

  /**
   * The block that is sent now is what a search has to be shown, within SEARCH.confirmTimeoutMs or proveTimeoutMs: it
   * goes at once, where nobody waits.
   */
  #single(): boolean {
    const { turns } = this.#options;
    const free = turns.free() || (this.#fresh && this.#first && turns.info().waiting === 0);
    const single = (this.#fresh || this.#lastCid?.single === true) && free;
    this.#fresh = false;
    return single;
  }

  /** Resolves when what was read is with the socket: the next block is read meanwhile. */
  async #flush(): Promise<void> {
    const pack = this.#pack;
    if (pack === null || pack.end === 0) return;
    this.#pack = null;
    const { buffer, end: size, blocks } = pack;
    const { peer, turns } = this.#options;
    const piece =
      this.#single() && blocks.length === 1 ? TRANSFER.blockBytes : turns.piece(TRANSFER.frameBytes);
    for (let at = 0; at < size;) {
      // Heads are no part of what is limited; the first goes with the first piece.
      const end = Math.min(size, at + piece + (at === 0 ? HEAD_BYTES : 0));
      const heads = at === 0 ? blocks.length * HEAD_BYTES : 0;
      const wait = turns.take(peer, Math.max(0, end - at - heads), this.#over.signal);
      if (wait !== undefined) await wait;
      const written = this.#write(buffer.subarray(at, end));
      written.then(end < size ? undefined : () => this.#sent(pack), ignore);
      at = end;
    }
  }

  #sent({ buffer, blocks }: Pack): void {
    for (const { cid, bytes, name } of blocks) this.#options.sent(cid, bytes, name);
    this.#packs.give(buffer);
    this.#wake?.();
  }

  async #write(bytes: Uint8Array): Promise<void> {
    try {
      await this.#channel.write(bytes);
      this.#movedAt = this.#options.now();
    } catch (thrown) {
      this.#fail(thrown);
      throw thrown;
    }
  }

  async #refuse(request: number, code: RefusalCode): Promise<void> {
    await this.#flush();
    await this.#channel.write(encodeFrame(FRAME.refused, 0, request, Uint8Array.of(REFUSALS.indexOf(code))));
  }

  async #memory(buffers: Buffers): Promise<Uint8Array> {
    for (;;) {
      if (this.#ended) throw new Error('ended');
      const free = buffers.take();
      if (free !== undefined) return free;
      await this.#change();
    }
  }

  #fail(error: unknown): void {
    this.#failed ??= error instanceof Error ? error : new Error(reason(error));
    // Who takes nothing may never let a write end.
    this.#channel.abort(this.#failed);
    this.#wake?.();
  }

  /** In the one form that libraries know, or null where it is no CID of a file. */
  #textOf(bytes: Uint8Array): string | null {
    if (this.#lastCid !== null && Buffer.compare(this.#lastCid.bytes, bytes) === 0) return this.#lastCid.text;
    const cid = fromCidBytes(bytes);
    if (cid !== null) this.#lastCid = { bytes, text: cid.text, single: cid.codec === RAW };
    return cid?.text ?? null;
  }
}

const ignore = (): void => undefined;

function refusalOf(thrown: unknown): RefusalCode {
  if (thrown instanceof RangeError) return 'absent';
  if (!(thrown instanceof KelanaError)) return 'failed';
  if (thrown.code === 'SOURCE_CHANGED') return 'changed';
  return thrown.code === 'NOT_SHARED' ? 'not-here' : 'failed';
}
