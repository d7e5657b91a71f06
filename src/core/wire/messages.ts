import { reader, writer } from 'protons-runtime';
import { MAILBOX, MESSAGES, SEARCH } from '../config.ts';
import { KelanaError } from '../errors.ts';
import {
  checkId,
  count,
  eachField,
  length,
  queryId,
  readCount,
  readQueryId,
  readText,
  refuse,
  tag,
  text,
  type Reader,
} from './protobuf.ts';

/**
 * Frames of a stream of letters (docs/protocol.md has the .proto text). Who opened the stream writes letters, the
 * other side answers each with a receipt. Who sent a letter is known from the connection, never from the frame.
 */
export type Letter = TextLetter | OfferLetter | AnswerLetter;
export type MailFrame = Letter | Receipt;

export interface TextLetter {
  readonly type: 'text';
  /** 128 random bits, hex: the same letter, however often it comes. */
  readonly id: string;
  /** ms since 1970 by the sender's clock. */
  readonly sentAt: number;
  /** At most `MAILBOX.maxTextBytes` of UTF-8. */
  readonly text: string;
}

/** "I have this file or folder for you": nothing is sent until the receiver asks for its blocks. */
export interface OfferLetter {
  readonly type: 'offer';
  readonly id: string;
  readonly sentAt: number;
  /** One path segment, as the sender calls it: not to be trusted. */
  readonly name: string;
  /** Bytes of the file, or of all files of the folder. */
  readonly size: number;
  /** Of the file; of a folder, of its UnixFS directory. */
  readonly cid: string;
  /** Files of a folder, at least one; 0 where it is a file. */
  readonly files: number;
}

/** What the receiver of an offer decided, and later what came of it. `id` is the offer's. */
export interface AnswerLetter {
  readonly type: 'answer';
  readonly id: string;
  readonly answer: OfferAnswer;
}

export const OFFER_ANSWERS = ['accepted', 'refused', 'done', 'failed'] as const;
export type OfferAnswer = (typeof OFFER_ANSWERS)[number];

export interface Receipt {
  readonly type: 'receipt';
  readonly id: string;
  readonly of: Letter['type'];
  readonly code: ReceiptCode;
}

/**
 * stored: on the receiver's disk, now or before; full: no room for this sender; busy: too many at once; failed: the
 * receiver's disk; unwanted: the receiver takes no offers; bad: against a rule, and so again next time; unknown: an
 * answer to no offer. After full, busy and failed the letter may come again.
 */
export const RECEIPTS = ['stored', 'full', 'busy', 'failed', 'unwanted', 'bad', 'unknown'] as const;
export type ReceiptCode = (typeof RECEIPTS)[number];

const FIELD = { text: 1, offer: 2, answer: 3, receipt: 4 } as const;
const TYPES = Object.keys(FIELD) as MailFrame['type'][];
const LETTERS = ['text', 'offer', 'answer'] as const;
/** Characters of a CID, as elsewhere on the wire. */
const MAX_CID_BYTES = 128;

export function encodeMail(frame: MailFrame): Uint8Array {
  const out = writer();
  tag(out, FIELD[frame.type], 2).fork();
  queryId(out, 1, frame.id);
  switch (frame.type) {
    case 'text':
      tag(out, 2, 0).uint64Number(frame.sentAt);
      text(out, 3, frame.text);
      break;
    case 'offer':
      tag(out, 2, 0).uint64Number(frame.sentAt);
      text(out, 3, frame.name);
      tag(out, 4, 0).uint64Number(frame.size);
      text(out, 5, frame.cid);
      count(out, 6, frame.files);
      break;
    case 'answer':
      count(out, 2, OFFER_ANSWERS.indexOf(frame.answer) + 1);
      break;
    case 'receipt':
      count(out, 2, LETTERS.indexOf(frame.of) + 1);
      count(out, 3, RECEIPTS.indexOf(frame.code) + 1);
      break;
  }
  return out.ldelim().finish();
}

/** @throws KelanaError PEER_PROTOCOL where a field is missing, out of its bounds or no UTF-8 */
export function decodeMail(bytes: Uint8Array): MailFrame {
  try {
    let frame: MailFrame | null = null;
    const from = reader(bytes);
    eachField(from, from.len, (field) => {
      const type = TYPES[field - 1];
      if (type === undefined) return false;
      if (frame !== null) throw refuse('two letters in a frame');
      frame = readBody(type, from, length(from));
      return true;
    });
    if (frame === null) throw refuse('an empty frame');
    return frame;
  } catch (thrown) {
    if (thrown instanceof KelanaError) throw thrown;
    throw refuse(thrown instanceof Error ? thrown.message : 'not protobuf');
  }
}

function readBody(type: MailFrame['type'], from: Reader, end: number): MailFrame {
  let id = '';
  /** Field 2 of all: a time, or the number of a word. */
  let second = 0;
  let third = '';
  let code = 0;
  let size = 0;
  let cid = '';
  let files = 0;
  const long = type === 'text' || type === 'offer';
  eachField(from, end, (field) => {
    if (field === 1) id = readQueryId(from);
    else if (field === 2) second = long ? readWhole(from) : readCount(from);
    else if (field === 3 && type === 'text') third = readText(from, MAILBOX.maxTextBytes);
    else if (field === 3 && type === 'offer') third = readText(from, SEARCH.maxQueryBytes);
    else if (field === 3 && type === 'receipt') code = readCount(from);
    else if (field === 4 && type === 'offer') size = readWhole(from);
    else if (field === 5 && type === 'offer') cid = readText(from, MAX_CID_BYTES);
    else if (field === 6 && type === 'offer') files = readCount(from, MESSAGES.maxFiles);
    else return false;
    return true;
  });
  checkId(id);
  switch (type) {
    case 'text':
      return { type, id, sentAt: second, text: third };
    case 'offer':
      if (third === '' || cid === '') throw refuse('an offer of nothing');
      return { type, id, sentAt: second, name: third, size, cid, files };
    case 'answer':
      return { type, id, answer: wordOf(OFFER_ANSWERS, second) };
    default:
      return { type, id, of: wordOf(LETTERS, second), code: wordOf(RECEIPTS, code) };
  }
}

/** Numbers of words begin with 1, so that a missing one is none: no receipt says "stored" by leaving something out. */
function wordOf<T>(words: readonly T[], number: number): T {
  const word = words[number - 1];
  if (word === undefined) throw refuse('an unknown word');
  return word;
}

function readWhole(from: Reader): number {
  const value = from.uint64Number();
  if (!Number.isSafeInteger(value) || value < 0) throw refuse('a number out of range');
  return value;
}
