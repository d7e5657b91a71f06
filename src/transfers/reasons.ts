import { asKelanaError, KelanaError } from '../core/errors.ts';
import type { Text } from '../core/lang.ts';
import type { Holding } from '../core/ports.ts';
import type { DropReason } from '../core/transfer/plan.ts';
import { REFUSAL_TEXT } from '../core/transfer/refusals.ts';

const WHY: Readonly<Record<DropReason, Text>> = {
  ...REFUSAL_TEXT,
  liar: { id: 'byte-nya salah', en: 'wrong bytes' },
  silent: { id: 'tidak mengirim apa-apa lagi', en: 'it sends nothing any more' },
  slow: { id: 'jauh lebih lambat daripada yang lain', en: 'much slower than the others' },
};

/** Why a provider was dropped, where it did not say so itself. */
export function dropped(file: Holding, label: string, reason: DropReason): KelanaError {
  const says = { id: `${label}: ${WHY[reason].id}`, en: `${label}: ${WHY[reason].en}` };
  return new KelanaError('TRANSFER_FAILED', { name: file.name, why: says });
}

/** It holds what others could bring: it is asked again later, as one that is busy. */
export function tooSlow(file: Holding, label: string): KelanaError {
  const { code, params } = dropped(file, label, 'slow');
  return new KelanaError(code, { ...params, refusal: 'busy' });
}

/** Sessions know files by CID only; a person knows them by name. */
export function named(file: Holding, thrown: unknown): KelanaError {
  const error = asKelanaError(thrown);
  if (error.params['name'] !== file.cid) return error;
  return new KelanaError(error.code, { ...error.params, name: file.name }, error);
}

/** Of a file in a folder: who offered the folder and has no such file has another version of it by now. */
export function ofFolder(file: Holding, thrown: unknown): KelanaError {
  const error = named(file, thrown);
  if (error.params['refusal'] !== 'not-here') return error;
  return new KelanaError('SOURCE_CHANGED', { name: file.name }, error);
}

export function nobodyHas(file: Holding): KelanaError {
  const why = { id: 'blok yang kurang tidak ada pada siapa pun', en: 'nobody has the missing blocks' };
  return new KelanaError('TRANSFER_FAILED', { name: file.name, why });
}

/** `peer` said another size than the manifest does. */
export function otherSize(file: Holding, size: number, peer: string): KelanaError {
  const why = {
    id: `berkas ${size} byte disebut ${file.size} byte`,
    en: `a file of ${size} bytes announced as ${file.size}`,
  };
  return new KelanaError('PEER_PROTOCOL', { peer, why });
}
