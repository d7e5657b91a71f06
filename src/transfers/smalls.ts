import { hasBit } from '../core/bit-array.ts';
import { INCOMING, TRANSFER } from '../core/config.ts';
import { asKelanaError, type KelanaError } from '../core/errors.ts';
import type { BlockSession, FilePiece, IncomingFolder } from '../core/transfer/ports.ts';

/** A file of a folder that is one block, and is still to come. */
export interface Small {
  /** Among the files that are wanted. */
  readonly index: number;
  /** Among all files of the listing. */
  readonly listed: number;
  readonly cid: string;
  readonly size: number;
  /** Peers that said they do not have it; null: none did. */
  without: Set<string> | null;
}

/** `have` as in `BlockSession.have`, by the listing. */
export function mayHave({ without, listed }: Small, peer: string, have: Uint8Array | null): boolean {
  return without?.has(peer) !== true && (have === null || hasBit(have, listed));
}

/** Small files that nobody was asked for, and how many somebody was. */
export class Smalls {
  /** The last one first. */
  #free: Small[] = [];
  #asked = 0;

  /** `from`: where among them it begins, so that those who fetch from each other do not all have the same ones. */
  constructor(all: readonly Small[], from: number) {
    this.#free = [...all.slice(from), ...all.slice(0, from)].toReversed();
  }

  get left(): number {
    return this.#free.length + this.#asked;
  }

  /** Nobody is asked for these. */
  get free(): number {
    return this.#free.length;
  }

  /** Files for one slot that this peer may have; `have` as in `BlockSession.have`, by the listing. */
  take(peer: string, have: Uint8Array | null): readonly Small[] {
    const batch: Small[] = [];
    const passed: Small[] = [];
    let room: number = TRANSFER.blockBytes;
    while (batch.length < INCOMING.batchFiles) {
      const small = this.#free.pop();
      if (small === undefined) break;
      if (!mayHave(small, peer, have)) passed.push(small);
      else if (small.size > room) {
        this.#free.push(small);
        break;
      } else {
        batch.push(small);
        room -= small.size;
      }
    }
    this.#free.push(...passed.reverse());
    this.#asked += batch.length;
    return batch;
  }

  /** Of a batch that was taken these did not come. */
  done(batch: readonly Small[], missing: readonly Small[]): void {
    this.#asked -= batch.length;
    this.#free.push(...missing);
  }
}

/** What became of a batch. */
export interface Brought {
  /** Files that are on the disk, and their bytes. */
  readonly came: number;
  readonly bytes: number;
  /** Those that are not. */
  readonly missing: readonly Small[];
  /** One whose bytes were wrong. */
  readonly wrong: Small | null;
  /** The last that could not be had. */
  readonly failed: { readonly small: Small; readonly error: KelanaError } | null;
  /** The first failure that is not about one file. */
  readonly broken: KelanaError | null;
}

/** How a batch goes on: it has memory, and is asked for; a file of it came; all of it came, or what was to come. */
export interface Watch {
  readonly signal: AbortSignal;
  readonly asked: () => void;
  readonly came: () => void;
  readonly ended: (whole: boolean) => void;
}

/**
 * Fetches a batch into one slot and writes it. What the provider says about single files is noted in them.
 * @throws KelanaError of the download folder
 */
export async function bring(
  session: BlockSession,
  folder: IncomingFolder,
  batch: readonly Small[],
  { signal, asked, came, ended }: Watch,
): Promise<Brought> {
  const slot = await folder.slot(signal);
  asked();
  const pieces: (FilePiece & { readonly small: Small })[] = [];
  let offset = 0;
  for (const small of batch) {
    pieces.push({ index: small.index, offset, small });
    offset += small.size;
  }
  const memory = slot.bytes;
  const missing: Small[] = [];
  let broken: KelanaError | null = null;
  let failed: Brought['failed'] = null;
  const answers = await Promise.all(
    pieces.map(async (piece) => {
      const { small } = piece;
      try {
        await session.block(small.cid, 0, memory.subarray(piece.offset, piece.offset + small.size));
        came();
        return piece;
      } catch (thrown) {
        const error = asKelanaError(thrown);
        // It may have all the other files.
        if (error.code === 'SOURCE_CHANGED' || ONE_FILE.has(error.params['refusal']))
          (small.without ??= new Set()).add(session.peer);
        else broken ??= error;
        failed = { small, error };
        missing.push(small);
        return null;
      }
    }),
  );
  const sent = answers.filter((piece) => piece !== null);
  ended(sent.length === batch.length);
  let bad: readonly number[] = [];
  if (sent.length === 0) slot.release();
  else bad = await folder.write(sent, slot);
  let bytes = 0;
  let wrong: Small | null = null;
  for (const { small } of sent) {
    if (bad.includes(small.index)) {
      missing.push(small);
      wrong = small;
    } else bytes += small.size;
  }
  return { came: sent.length - bad.length, bytes, missing, wrong, failed, broken };
}

/** Refusals that say nothing of the other files of a folder. */
const ONE_FILE: ReadonlySet<unknown> = new Set(['not-here', 'absent', 'failed']);
