import type { Emit } from '../../core/events.ts';
import type { BlockSourcePort } from '../../core/ports.ts';

interface Sent {
  readonly files: Map<string, { bytes: number; readonly name: string | undefined }>;
  /** Beyond those named. */
  others: number;
  otherBytes: number;
  timer: NodeJS.Timeout | undefined;
}

/** ms without a block after which an upload is told: to a person it is over. */
const QUIET_MS = 1_000;
/** Files of one upload that are told by name; of a folder of thousands the rest is counted. */
const MAX_NAMED = 16;

/** Tells of uploads, once each, when they are over; of no file more bytes than it has. */
export class SentLog {
  readonly #options: { readonly source: BlockSourcePort; readonly emit: Emit; readonly who: string };
  readonly #sent = new Map<string, Sent>();

  constructor(options: { readonly source: BlockSourcePort; readonly emit: Emit; readonly who: string }) {
    this.#options = options;
  }

  add(to: string, cid: string, bytes: number, name?: string): void {
    let sent = this.#sent.get(to);
    if (sent === undefined) {
      sent = { files: new Map(), others: 0, otherBytes: 0, timer: undefined };
      this.#sent.set(to, sent);
      sent.timer = setTimeout(() => this.flush(to), QUIET_MS);
      sent.timer.unref();
    } else sent.timer?.refresh();
    const before = sent.files.get(cid);
    if (before !== undefined) before.bytes += bytes;
    else if (sent.files.size < MAX_NAMED) sent.files.set(cid, { bytes, name });
    else {
      sent.others += 1;
      sent.otherBytes += bytes;
    }
  }

  flush(to: string): void {
    const sent = this.#sent.get(to);
    if (sent === undefined) return;
    this.#sent.delete(to);
    clearTimeout(sent.timer);
    const { source, emit, who } = this.#options;
    for (const [cid, { bytes, name }] of sent.files) {
      const file = name === undefined ? source.lookup({ kind: 'cid', cid })[0] : undefined;
      // What a search was shown of it goes out again with the file.
      const most = file?.size ?? bytes;
      emit({ type: 'file.sent', who, to, name: name ?? file?.name ?? cid, bytes: Math.min(bytes, most) });
    }
    if (sent.others > 0)
      emit({ type: 'file.sent', who, to, name: `+ ${sent.others}`, bytes: sent.otherBytes });
  }

  stop(): void {
    for (const to of this.#sent.keys()) this.flush(to);
  }
}
