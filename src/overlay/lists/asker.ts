import type { Stream } from '@libp2p/interface';
import { LISTS } from '../../core/config.ts';
import { asKelanaError, KelanaError } from '../../core/errors.ts';
import type { SharedPage } from '../../core/ports.ts';
import { delimit, FrameSplitter } from '../../core/wire/lengths.ts';
import { decodeListPage, encodeListAsk, type Place } from '../../core/wire/list.ts';

/** Asks for one page after the other over a stream that this node opened. */
export class ListAsker {
  readonly #stream: Stream;
  readonly #label: string;
  #waiting: { readonly after: Place | null; settle(page: SharedPage | KelanaError): void } | null = null;
  #ended: KelanaError | null = null;

  constructor(stream: Stream, label: string) {
    this.#stream = stream;
    this.#label = label;
    const splitter = new FrameSplitter(LISTS.maxFrameBytes);
    stream.addEventListener('message', (event) => {
      try {
        for (const bytes of splitter.push(event.data.subarray())) this.#take(bytes);
      } catch (thrown) {
        const { code, params } = asKelanaError(thrown);
        this.abort(new KelanaError(code, { ...params, peer: label }, thrown));
      }
    });
    const gone = (): void => this.#end(new KelanaError('PEER_UNREACHABLE', { peer: label, why: CLOSED }));
    stream.addEventListener('remoteCloseWrite', gone);
    stream.addEventListener('close', gone);
  }

  /** One at a time. @throws KelanaError PEER_UNREACHABLE, PEER_PROTOCOL; what it was aborted with */
  page(after: Place | null): Promise<SharedPage> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== null) {
        reject(this.#ended);
        return;
      }
      const late = setTimeout(() => {
        this.abort(new KelanaError('PEER_UNREACHABLE', { peer: this.#label, why: SILENT }));
      }, LISTS.answerMs);
      this.#waiting = {
        after,
        settle: (page) => {
          clearTimeout(late);
          this.#waiting = null;
          if (page instanceof KelanaError) reject(page);
          else resolve(page);
        },
      };
      try {
        this.#stream.send(delimit(encodeListAsk({ after })));
      } catch {
        // Only a stream that is closed already refuses.
        this.#end(new KelanaError('PEER_UNREACHABLE', { peer: this.#label, why: CLOSED }));
      }
    });
  }

  abort(error: KelanaError): void {
    this.#end(error);
    this.#stream.abort(error);
  }

  #take(bytes: Uint8Array): void {
    if (this.#ended !== null) return;
    const waiting = this.#waiting;
    if (waiting === null)
      throw new KelanaError('PEER_PROTOCOL', { peer: this.#label, why: 'a page that nobody asked for' });
    waiting.settle(decodeListPage(bytes, waiting.after));
  }

  #end(error: KelanaError): void {
    if (this.#ended !== null) return;
    this.#ended = error;
    this.#waiting?.settle(error);
  }
}

const CLOSED = { id: 'ia menutup sambungannya', en: 'it closed the connection' };
const SILENT = {
  id: `tidak ada jawaban dalam ${LISTS.answerMs / 1000} detik`,
  en: `no answer within ${LISTS.answerMs / 1000} s`,
};
