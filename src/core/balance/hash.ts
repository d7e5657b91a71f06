import type { Ask, BackendView, KeySource, Method } from './method.ts';
import { twoChoices } from './two-choices.ts';

/** 32-bit FNV-1a of the low bytes, then mixed: near keys must not come to near values. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193);
    if (unit > 0xff) hash = Math.imul(hash ^ (unit >> 8), 0x01000193);
  }
  return mix(hash);
}

/** The finaliser of MurmurHash3 (Appleby): each bit of the input moves each bit of the output half the time. */
function mix(value: number): number {
  let hash = value ^ (value >>> 16);
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** In flight on one backend for each unit of weight below which no bound acts: a few requests at once are no overload. */
const FREE_LOAD = 4;

/**
 * Weighted rendezvous hashing (Thaler and Ravishankar 1998): the key and each backend give a score, the highest wins.
 * When a backend comes, goes or changes its weight, only keys that it wins or loses move. No table to rebuild, and the
 * next best is the next in order. With a bound (Mirrokni et al. 2016) a backend that has `bound` times its share of
 * all load passes its keys to their next one meanwhile, so that a slow backend or a single hot key cannot pile up.
 */
export function hash(keySource: KeySource, bound: number): Method {
  const unkeyed = twoChoices();
  return {
    name: 'hash',
    usesWeights: true,
    keySource,
    choose<T extends BackendView>(
      list: readonly T[],
      tried: readonly BackendView[],
      ask: Ask,
    ): T | undefined {
      if (ask.key === null) return unkeyed.choose(list, tried, ask);
      const key = hashText(ask.key);
      const perWeight = bound === 0 ? Infinity : allowed(list, bound);
      let best: T | undefined;
      let highest = -Infinity;
      // Where all have too much, the winner without the bound.
      let over: T | undefined;
      let overHighest = -Infinity;
      for (const backend of list) {
        if (!backend.available || (tried.length > 0 && tried.includes(backend))) continue;
        const weight = backend.weight * backend.ramp;
        const score = scoreOf(mix(key ^ backend.seed), weight);
        if (backend.load < perWeight * weight) {
          if (score <= highest) continue;
          best = backend;
          highest = score;
        } else if (score > overHighest) {
          over = backend;
          overHighest = score;
        }
      }
      return best ?? over;
    },
  };
}

/** weight / -ln(u), with u from the hash evenly between 0 and 1: each wins as often as its weight says. */
function scoreOf(value: number, weight: number): number {
  return -weight / Math.log((value + 0.5) / 4_294_967_296);
}

function allowed(list: readonly BackendView[], bound: number): number {
  let load = 1;
  let weight = 0;
  for (const backend of list) {
    if (!backend.available) continue;
    load += backend.load;
    weight += backend.weight * backend.ramp;
  }
  return weight === 0 ? Infinity : Math.max(FREE_LOAD, (bound * load) / weight);
}
