import type { Lang, Text } from '../core/lang.ts';
import type { Ground, SearchOutcome } from '../core/ports.ts';
import { showable } from '../core/render/escape.ts';
import { durationText, numberText } from './format.ts';

/** A search's verdict for people: what it rests on, who is missing, and the next step. `name` is what was asked. */
export function verdictText(outcome: SearchOutcome, name: string, lang: Lang): string {
  const took = durationText(outcome.elapsedMs, lang);
  const what = `'${showable(name)}'`;
  if (outcome.verdict === 'found') {
    const { id, en } = lookedAt(outcome, lang);
    return lang === 'id' ? `Selesai: ${id}, ${took}` : `Done: ${en}, ${took}`;
  }
  if (outcome.verdict === 'absent') return absentText(outcome, what, took)[lang];
  // Who is cut off has asked nobody, whatever it knows of their names.
  const looked = outcome.ground === 'alone' ? null : lookedAt(outcome, lang);
  const about = looked === null ? took : `${looked[lang]}, ${took}`;
  const why = WHY[outcome.ground](namesOf(outcome, lang), outcome.strategy);
  return lang === 'id'
    ? `Belum pasti: ${what} tidak ditemukan (${about}), tetapi ${why.says.id}\n  → ${why.next.id}`
    : `Not certain: ${what} was not found (${about}), but ${why.says.en}\n  → ${why.next.en}`;
}

function ipfsNodes(count: number): Text {
  const [id, en] = [numberText(count, 'id'), numberText(count, 'en')];
  return { id: `${id} node IPFS`, en: `${en} IPFS ${count === 1 ? 'node' : 'nodes'}` };
}

/** Who was asked, and how. */
function lookedAt(outcome: SearchOutcome, lang: Lang): Text {
  const { ipfs } = outcome;
  const kelana = lookedAtKelana(outcome, lang);
  if (ipfs === undefined) return kelana;
  const nodes = ipfsNodes(ipfs);
  if (outcome.asked === 0) return { id: `${nodes.id} ditanya`, en: `${nodes.en} asked` };
  return { id: `${kelana.id}, juga ${nodes.id}`, en: `${kelana.en}, and ${nodes.en}` };
}

function lookedAtKelana({ asked, strategy }: SearchOutcome, lang: Lang): Text {
  const count = numberText(asked, lang);
  const nodes = asked === 1 ? 'node' : 'nodes';
  if (strategy === 'groups' && asked > 0)
    return {
      id: `${count} node diperiksa lewat sidik namanya`,
      en: `${count} ${nodes} looked through by their name prints`,
    };
  return { id: `${count} node ditanya`, en: `${count} ${nodes} asked` };
}

function absentText(outcome: SearchOutcome, what: string, took: string): Text {
  const { asked, ground, ipfs } = outcome;
  if (ipfs !== undefined) {
    const nodes = ipfsNodes(ipfs);
    if (asked === 0) {
      return {
        id: `${what} tidak ada: ${nodes.id} ditanya dan tidak memilikinya (${took})`,
        en: `${what} does not exist here: ${nodes.en} asked, without it (${took})`,
      };
    }
    const { ipfs: _asked, ...kelana } = outcome;
    const { id, en } = absentText(kelana, what, took);
    return {
      id: `${id}\n  Juga tidak di ${nodes.id} yang ditanya`,
      en: `${en}\n  Nor is it at ${nodes.en} asked`,
    };
  }
  if (asked === 0) {
    return {
      id: `${what} tidak ada di node ini, dan node ini belum punya tetangga untuk ditanya.\n  → Tambahkan: kelana peers add HOST:PORT`,
      en: `${what} is not on this node, and this node has no neighbour to ask.\n  → Add one: kelana peers add HOST:PORT`,
    };
  }
  const [id, en] = [numberText(asked, 'id'), numberText(asked, 'en')];
  const one = asked === 1;
  if (ground === 'all-prints') {
    const all = {
      id: `sidik nama ${one ? 'satu-satunya' : `semua ${id}`} node lain sudah diperiksa`,
      en: `the name prints of ${one ? 'the one other node' : `all ${en} other nodes`} were looked through`,
    };
    return {
      id: `${what} tidak ada: ${all.id} dan tidak ada yang cocok (${took})`,
      en: `${what} does not exist here: ${all.en} and nothing matches (${took})`,
    };
  }
  const all = one
    ? {
        id: 'satu-satunya node yang terjangkau sudah ditanya dan tidak memilikinya',
        en: 'the one reachable node was asked and does not have it',
      }
    : {
        id: `semua ${id} node yang terjangkau sudah ditanya dan tidak ada yang memilikinya`,
        en: `all ${en} reachable nodes were asked and none has it`,
      };
  return {
    id: `${what} tidak ada: ${all.id} (${took})`,
    en: `${what} does not exist here: ${all.en} (${took})`,
  };
}

/** The nodes that are missing, in words. */
function namesOf({ missing, missingCount }: SearchOutcome, lang: Lang): string {
  if (missing.length === 0) return lang === 'id' ? 'sebagian node' : 'some nodes';
  const names = missing.map(showable).join(', ');
  const more = missingCount - missing.length;
  if (more <= 0) return names;
  return lang === 'id'
    ? `${names} dan ${numberText(more, lang)} lainnya`
    : `${names} and ${numberText(more, lang)} more`;
}

interface Why {
  readonly says: Text;
  readonly next: Text;
}

const AGAIN: Text = { id: 'Cari lagi bila node itu kembali', en: 'Search again when it is back' };
const WALK: Text = {
  id: 'Tanya setiap node satu per satu: tambahkan --strategy walk',
  en: 'Ask every node one by one: add --strategy walk',
};
const lost = (missing: string): Why => ({
  says: { id: `jawaban dari ${missing} hilang`, en: `the answer of ${missing} is missing` },
  next: AGAIN,
});

const WHY: Readonly<Record<Ground, (missing: string, strategy: string) => Why>> = {
  // A proof is never incomplete; if one says it is, then what is missing matters.
  found: lost,
  'all-nodes': lost,
  'all-prints': lost,
  lost,
  time: (missing) => ({
    says: {
      id: `waktunya habis sebelum ${missing} menjawab`,
      en: `time ran out before ${missing} had answered`,
    },
    next: { id: 'Beri waktu lebih dengan --timeout', en: 'Allow more time with --timeout' },
  }),
  cancelled: (missing) => ({
    says: {
      id: `pencarian dibatalkan sebelum ${missing} menjawab`,
      en: `the search was cancelled before ${missing} had answered`,
    },
    next: { id: 'Cari lagi', en: 'Search again' },
  }),
  unsynced: (missing) => ({
    says: {
      id: `sidik nama terbaru dari ${missing} belum ada`,
      en: `the newest name prints of ${missing} are not here yet`,
    },
    next: {
      id: 'Cari lagi setengah menit lagi, atau tambahkan --strategy walk',
      en: 'Search again in half a minute, or add --strategy walk',
    },
  }),
  scanning: (missing) => ({
    says: {
      id: `${missing} masih membaca berkasnya sendiri`,
      en: `${missing} is still reading its own files`,
    },
    next: { id: 'Cari lagi sebentar lagi', en: 'Search again in a while' },
  }),
  alone: (missing) => ({
    says: {
      id: `node ini terputus dari semua yang dikenalnya: ${missing}`,
      en: `this node is cut off from all that it knows: ${missing}`,
    },
    next: {
      id: 'Periksa jaringan, atau tambahkan node lain: kelana peers add HOST:PORT',
      en: 'Check the network, or add another node: kelana peers add HOST:PORT',
    },
  }),
  refused: (missing) => ({
    says: {
      id: `${missing} tidak ditanya: node ini menolaknya selama satu jam karena kebohongannya`,
      en: `${missing} was not asked: this node refuses it for an hour because of its lies`,
    },
    next: {
      id: 'Cari lagi sejam lagi; alasannya ada di kelana log',
      en: 'Search again in an hour; kelana log has the reason',
    },
  }),
  'no-proof': (_missing, strategy) => ({
    says: {
      id: `strategi ${strategy} tidak pernah membuktikan bahwa sesuatu tidak ada`,
      en: `the strategy ${strategy} never proves that something does not exist`,
    },
    next: WALK,
  }),
};
