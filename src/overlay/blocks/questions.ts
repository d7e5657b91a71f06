import { cidBytes } from '../../core/transfer/cid.ts';
import { encodeAsk } from '../../core/wire/blocks.ts';

interface Question {
  readonly cid: string;
  readonly index: number;
  readonly request: number;
}

/** Blocks that wait to be asked for, so that several go in one write; and CIDs as bytes, as one file is asked for thousands of times. */
export class Questions {
  #waiting: Question[] = [];
  #cid = '';
  #bytes: Uint8Array = new Uint8Array(0);

  get size(): number {
    return this.#waiting.length;
  }

  add(cid: string, index: number, request: number): void {
    this.#waiting.push({ cid, index, request });
  }

  /** All of them as they are written, neighbours in one request. */
  take(): Uint8Array {
    const waiting = this.#waiting;
    this.#waiting = [];
    const frames: Uint8Array[] = [];
    for (let at = 0; at < waiting.length;) {
      const first = waiting[at];
      if (first === undefined) break;
      let count = 1;
      for (;;) {
        const next = waiting[at + count];
        const follows = next?.cid === first.cid && next.index === first.index + count;
        if (!follows || next.request !== first.request + count) break;
        count += 1;
      }
      const { request, index, cid } = first;
      frames.push(encodeAsk({ type: 'blocks', request, first: index, count, cid: this.bytesOf(cid) }));
      at += count;
    }
    return joined(frames);
  }

  bytesOf(cid: string): Uint8Array {
    if (cid !== this.#cid) {
      this.#bytes = cidBytes(cid);
      this.#cid = cid;
    }
    return this.#bytes;
  }
}

function joined(frames: readonly Uint8Array[]): Uint8Array {
  const [first] = frames;
  if (frames.length === 1 && first !== undefined) return first;
  const out = new Uint8Array(frames.reduce((sum, frame) => sum + frame.length, 0));
  let at = 0;
  for (const frame of frames) {
    out.set(frame, at);
    at += frame.length;
  }
  return out;
}
