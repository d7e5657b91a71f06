import { reader, writer } from 'protons-runtime';
import { MESSAGES, LIBRARY } from '../config.ts';
import { KelanaError } from '../errors.ts';
import { checkPath, RESERVED_PREFIX, shownName } from '../names.ts';
import type { Holding } from '../ports.ts';
import { parseCid } from '../transfer/cid.ts';
import { append, eachField, length, readText, refuse, tag, text } from './protobuf.ts';

/** Bytes of a CID's text. */
const MAX_CID_BYTES = 128;

/**
 * The files of a folder that is sent, in the order of their paths, as bytes: they have a CID of their own, which the
 * offer names, so that the list is verified like any file. `name` is the path below the folder, with `/`.
 */
export function encodeListing(files: readonly Holding[]): Uint8Array {
  const out = writer();
  for (const file of files) {
    tag(out, 1, 2).fork();
    text(out, 1, file.name);
    tag(out, 2, 0).uint64Number(file.size);
    text(out, 3, file.cid);
    out.ldelim();
  }
  return out.finish();
}

/**
 * Reads a stranger's list. Every path is safe to create below a new folder, none stands twice, and none is a folder
 * of another.
 * @throws KelanaError PEER_PROTOCOL (no list), BAD_NAME
 */
export function decodeListing(bytes: Uint8Array): readonly Holding[] {
  const files: Holding[] = [];
  try {
    const from = reader(bytes);
    eachField(from, from.len, (field) => {
      if (field !== 1) return false;
      let name = '';
      let size = 0;
      let cid = '';
      eachField(from, length(from), (inner) => {
        if (inner === 1) name = readText(from, LIBRARY.maxPathBytes);
        else if (inner === 2) size = from.uint64Number();
        else if (inner === 3) cid = readText(from, MAX_CID_BYTES);
        else return false;
        return true;
      });
      if (!Number.isSafeInteger(size) || size < 0) throw refuse('a size out of range');
      if (parseCid(cid)?.text !== cid) throw refuse('a CID that is none');
      append(files, { name, size, cid }, MESSAGES.maxFiles);
      return true;
    });
  } catch (thrown) {
    if (thrown instanceof KelanaError) throw thrown;
    throw refuse(thrown instanceof Error ? thrown.message : 'not protobuf');
  }
  checkTree(files);
  return files;
}

function checkTree(files: readonly Holding[]): void {
  const seen = new Set<string>();
  const folders = new Set<string>();
  for (const { name } of files) {
    const why =
      checkPath(name) ?? (name.split('/').some(isOwn) ? OWN : null) ?? (seen.has(name) ? TWICE : null);
    if (why !== null) throw new KelanaError('BAD_NAME', { name: `'${shownName(name)}'`, why });
    seen.add(name);
    for (let at = name.indexOf('/'); at >= 0; at = name.indexOf('/', at + 1)) folders.add(name.slice(0, at));
  }
  for (const folder of folders)
    if (seen.has(folder)) throw new KelanaError('BAD_NAME', { name: `'${shownName(folder)}'`, why: BOTH });
}

const isOwn = (segment: string): boolean => segment.startsWith(RESERVED_PREFIX);

const OWN = { id: `'${RESERVED_PREFIX}' milik kelana sendiri`, en: `'${RESERVED_PREFIX}' is kelana's own` };
const TWICE = { id: 'ada dua kali dalam daftarnya', en: 'it stands twice in its list' };
const BOTH = { id: 'berkas dan juga folder dalam daftarnya', en: 'it is a file and a folder in its list' };
