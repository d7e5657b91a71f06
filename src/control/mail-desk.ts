import { MESSAGES } from '../core/config.ts';
import { asKelanaError, KelanaError } from '../core/errors.ts';
import type { Emit } from '../core/events.ts';
import { isSound } from '../core/messages/offer.ts';
import type {
  CarrierPort,
  InboxItem,
  LettersPort,
  News,
  OutboxItem,
  PostmanPort,
  PostPort,
  PrivateHoldingsPort,
} from '../core/messages/ports.ts';
import { whyText } from '../core/messages/why.ts';
import { shownName } from '../core/names.ts';
import type { Provider } from '../core/ports.ts';
import type { AnswerLetter, Letter, OfferAnswer, ReceiptCode } from '../core/wire/messages.ts';
import { Changes } from './changes.ts';
import type { Fetching } from './fetching.ts';

export const ACCEPTS = ['ask', 'neighbours', 'all', 'none'] as const;
export type Accepts = (typeof ACCEPTS)[number];

export interface MailDeskOptions {
  readonly post: PostPort;
  readonly holdings: PrivateHoldingsPort;
  readonly emit: Emit;
  /** Label of this node in events. */
  readonly who: () => string;
  /** ms since 1970. */
  readonly now: () => number;
  /** Whose offers are accepted without a question; `none` turns all away. */
  readonly accept: Accepts;
  /** Peers whose offers are accepted in any case. */
  readonly acceptFrom: ReadonlySet<string>;
  /** An offer came that waits for a decision. */
  onOffer?(item: InboxItem): void;
}

/** Where letters come in and go out: keeps them, decides by the settings, and tells who waits for what became of them. */
export class MailDesk implements LettersPort {
  /** Of the inbox and of the outbox. */
  readonly changes = new Changes();
  readonly #options: MailDeskOptions;
  #carrier: CarrierPort | null = null;
  #postman: PostmanPort | null = null;
  #fetching: Fetching | null = null;
  /** Labels by peer that were remembered in this run: news come often, and say the same. */
  readonly #remembered = new Map<string, string>();

  constructor(options: MailDeskOptions) {
    this.#options = options;
  }

  /** What was open before the last stop goes on. */
  async open(carrier: CarrierPort, postman: PostmanPort, fetching: Fetching): Promise<void> {
    const { post, holdings } = this.#options;
    this.#carrier = carrier;
    this.#postman = postman;
    this.#fetching = fetching;
    for (const { item, holdings: files, folders } of await post.grants()) {
      for (const file of files) holdings.restore(item.peer, item.id, file);
      if (item.files === 0) continue;
      try {
        await holdings.allowFolder(item.peer, item.id, { name: item.text, files, folders });
      } catch (thrown) {
        this.failed(asKelanaError(thrown));
      }
    }
    for (const item of await post.accepted()) fetching.add(item);
    for (const item of await post.inbox({ unread: true, limit: MESSAGES.maxListed }))
      if (item.state === 'open' && this.#isAccepted(item.peer)) await this.decide(item.no, 'accepted');
  }

  async take(from: Provider, letter: Letter): Promise<ReceiptCode> {
    try {
      if (letter.type === 'answer') return await this.#takeAnswer(from, letter);
      if (letter.type === 'text' ? letter.text === '' : !isSound(letter)) return 'bad';
      if (letter.type === 'offer' && this.#options.accept === 'none' && !this.#isAccepted(from.peer))
        return 'unwanted';
      const { code, item } = await this.#options.post.receive({ from, letter, now: this.#options.now() });
      if (item !== null) this.#arrived(item);
      return code;
    } catch (thrown) {
      const error = asKelanaError(thrown);
      if (error.code === 'MAILBOX_BUSY') return 'busy';
      this.failed(error);
      return 'failed';
    }
  }

  heard(who: Provider, news: News): void {
    this.#postman?.heard(who, news);
    this.#fetching?.heard(who.peer);
    if (news === 'seen' || this.#remembered.get(who.peer) === `${news} ${who.label}`) return;
    if (this.#remembered.size >= MESSAGES.maxKnown) this.#remembered.clear();
    this.#remembered.set(who.peer, `${news} ${who.label}`);
    const { post, now } = this.#options;
    post
      .remember(who, news === 'dialled', now())
      .catch((thrown: unknown) => this.failed(asKelanaError(thrown)));
  }

  /** Accepts or refuses an offer, and has its sender told. @throws KelanaError NO_SUCH_ITEM, NO_OFFER */
  async decide(no: number, answer: 'accepted' | 'refused'): Promise<InboxItem> {
    const { post } = this.#options;
    const item = await post.decide(no, ['open'], answer, {}, this.#time());
    if (item === null) throw await this.#notOpen(no);
    this.#answered(item, answer);
    if (answer === 'accepted') this.#fetching?.add(item);
    return item;
  }

  /** What came of an accepted offer. */
  async ended(item: InboxItem, outcome: { path: string } | { why: string }): Promise<void> {
    const answer = 'path' in outcome ? 'done' : 'failed';
    const ended = await this.#options.post.decide(item.no, ['accepted'], answer, outcome, this.#time());
    if (ended !== null) this.#answered(ended, answer);
  }

  /** A letter of ours came to its end, or an offer to its receiver. */
  settled(item: OutboxItem): void {
    const { emit, who, holdings } = this.#options;
    const { kind, state, label, text, size } = item;
    if (kind === 'text' && state === 'delivered') emit({ type: 'message.sent', who: who(), to: label, text });
    else if (kind === 'offer' && state === 'delivered')
      emit({ type: 'offer.sent', who: who(), to: label, name: text, bytes: size });
    else if (kind === 'offer') {
      const outcome = item.why === 'expired' ? 'expired' : state;
      emit({ type: 'offer.ended', who: who(), peer: label, name: text, outcome });
    }
    if (kind !== 'answer' && (state === 'refused' || state === 'failed')) this.failed(lost(item));
    if (kind === 'offer' && (state === 'refused' || state === 'failed' || state === 'done'))
      holdings.revoke(item.peer, item.id);
    this.changes.tell();
  }

  failed(error: KelanaError): void {
    const { code, message: detail, params } = error;
    this.#options.emit({ type: 'error', who: this.#options.who(), code, detail, params });
  }

  #arrived(item: InboxItem): void {
    const { emit, who } = this.#options;
    const from = item.label;
    if (item.kind === 'text') emit({ type: 'message.received', who: who(), from, text: item.text });
    else emit({ type: 'offer.received', who: who(), from, name: item.text, bytes: item.size });
    if (item.kind === 'offer') {
      if (!this.#isAccepted(item.peer)) this.#options.onOffer?.(item);
      else if (this.#fetching !== null)
        this.decide(item.no, 'accepted').catch((thrown: unknown) => this.failed(asKelanaError(thrown)));
    }
    this.changes.tell();
  }

  async #takeAnswer(from: Provider, { id, answer }: AnswerLetter): Promise<ReceiptCode> {
    const answered = await this.#options.post.answered(from.peer, id, answer);
    if (answered === null) return 'unknown';
    if (answered.changed) this.settled(answered.item);
    return 'stored';
  }

  #answered({ peer, label, text }: InboxItem, answer: OfferAnswer): void {
    const { emit, who } = this.#options;
    emit({ type: 'offer.ended', who: who(), peer: label, name: text, outcome: answer });
    this.#postman?.queued(peer);
    this.changes.tell();
  }

  #time(): { now: number; expiresAt: number } {
    const now = this.#options.now();
    return { now, expiresAt: now + MESSAGES.expireMs };
  }

  #isAccepted(peer: string): boolean {
    const { accept, acceptFrom } = this.#options;
    if (accept === 'all' || acceptFrom.has(peer)) return true;
    return accept === 'neighbours' && this.#carrier?.linked(peer) === true;
  }

  async #notOpen(no: number): Promise<KelanaError> {
    const item = await this.#options.post.item(no);
    if (item === null) return new KelanaError('NO_SUCH_ITEM', { no });
    return new KelanaError('NO_OFFER', { no, what: item.kind === 'text' ? A_MESSAGE : DECIDED });
  }
}

const A_MESSAGE = { id: 'bukan tawaran berkas, melainkan pesan', en: 'is no offer of a file but a message' };
const DECIDED = { id: 'sudah diputuskan', en: 'has been decided already' };

/** Why a letter was given up, for the log and for who waits. */
export function lost({ label, text, why, state }: OutboxItem): KelanaError {
  const name = shownName(text, 40);
  if (why === 'expired')
    return new KelanaError('LETTER_EXPIRED', {
      name,
      peer: label,
      days: Math.round(MESSAGES.expireMs / 86_400_000),
    });
  const word = why ?? (state === 'failed' ? 'not-stored' : 'refused');
  return new KelanaError('SENT_IN_VAIN', { peer: label, why: whyText(word) });
}
