import { OVERLAY } from '../core/config.ts';
import type { LinkFrame } from '../core/wire/frames.ts';
import { Bucket } from './bucket.ts';

/** What one neighbour may still send. Questions beyond that are not passed on, or whoever passes them floods in turn. */
export interface Rates {
  readonly frames: Bucket;
  readonly questions: Bucket;
  readonly floods: Bucket;
}

export function newRates(now: number): Rates {
  const bucket = (perSecond: number): Bucket => new Bucket(perSecond, 2 * perSecond, now);
  return {
    frames: bucket(OVERLAY.linkFramesPerSecond),
    questions: bucket(OVERLAY.linkQuestionsPerSecond),
    floods: bucket(OVERLAY.linkFloodsPerSecond),
  };
}

/** Frames that begin work here and at others. */
export const QUESTIONS: Partial<Readonly<Record<LinkFrame['type'], 'questions' | 'floods'>>> = {
  visit: 'questions',
  token: 'questions',
  confirm: 'questions',
  check: 'questions',
  flood: 'floods',
  walker: 'floods',
};
