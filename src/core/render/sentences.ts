import { changed } from './changes.ts';
import type { EventType, Verdict } from '../events.ts';
import type { Lang, Text } from '../lang.ts';
import { quoted as q, token as t, tokens } from './escape.ts';
import type { BodyOf } from './fields.ts';
import { ejection, errorText, lie, linkEnd, outcome } from './reasons.ts';

type Sentences = {
  readonly [T in EventType]: Readonly<Record<Lang, (event: BodyOf<T>) => string>>;
};

/** Seconds and rates have six decimals, as in the seeds. */
const six = (value: number): string => value.toFixed(6);

const VERDICTS: Readonly<Record<Verdict, Text>> = {
  found: { id: 'ditemukan', en: 'found' },
  absent: { id: 'tidak ada di semua node', en: 'on none of the nodes' },
  incomplete: { id: 'belum pasti', en: 'not certain' },
};

/**
 * What the log says of each event. The sentences of node.ready, neighbour.added, search.received, search.found,
 * search.response-time and total are those of the seeds, word for word.
 */
export const SENTENCES: Sentences = {
  'node.ready': {
    id: (e) => `Node ${t(e.who)} siap menerima koneksi...`,
    en: (e) => `Node ${t(e.who)} is ready for connections...`,
  },
  'server.ready': {
    id: (e) => `Server ${t(e.who)} siap menerima permintaan di ${t(e.url)}.`,
    en: (e) => `Server ${t(e.who)} is ready for requests at ${t(e.url)}.`,
  },
  'balancer.ready': {
    id: (e) =>
      `Balancer ${t(e.who)} siap di ${t(e.url)} dengan metode ${t(e.method)} untuk server ${tokens(e.backends)}.`,
    en: (e) =>
      `Balancer ${t(e.who)} is ready at ${t(e.url)} with method ${t(e.method)} for servers ${tokens(e.backends)}.`,
  },
  'neighbour.added': {
    id: (e) => `Node ${t(e.who)} menambahkan tetangga node ${t(e.neighbour)}.`,
    en: (e) => `Node ${t(e.who)} added neighbour node ${t(e.neighbour)}.`,
  },
  'neighbour.removed': {
    id: (e) => `Node ${t(e.who)} melepas tetangga node ${t(e.neighbour)}: ${q(linkEnd(e.reason, 'id'))}.`,
    en: (e) => `Node ${t(e.who)} dropped neighbour node ${t(e.neighbour)}: ${q(linkEnd(e.reason, 'en'))}.`,
  },
  'peer.banned': {
    id: (e) => `Node ${t(e.who)} menolak node ${t(e.peer)} selama sejam: ${q(lie(e.reason, 'id'))}.`,
    en: (e) => `Node ${t(e.who)} refuses node ${t(e.peer)} for an hour: ${q(lie(e.reason, 'en'))}.`,
  },
  'client.connected': {
    id: (e) => `Client ${t(e.client)} terhubung ke ${t(e.who)}.`,
    en: (e) => `Client ${t(e.client)} connected to ${t(e.who)}.`,
  },
  'client.disconnected': {
    id: (e) => `Client ${t(e.client)} memutus koneksi ke ${t(e.who)} setelah ${e.requests} permintaan.`,
    en: (e) => `Client ${t(e.client)} disconnected from ${t(e.who)} after ${e.requests} requests.`,
  },
  'message.sent': {
    id: (e) => `Pesan dikirim dari ${t(e.who)} ke ${t(e.to)}: ${q(e.text)}.`,
    en: (e) => `Message sent from ${t(e.who)} to ${t(e.to)}: ${q(e.text)}.`,
  },
  'message.received': {
    id: (e) => `Pesan diterima ${t(e.who)} dari ${t(e.from)}: ${q(e.text)}.`,
    en: (e) => `Message received by ${t(e.who)} from ${t(e.from)}: ${q(e.text)}.`,
  },
  'offer.sent': {
    id: (e) => `Kiriman ${q(e.name)} (${e.bytes} byte) ditawarkan ${t(e.who)} kepada ${t(e.to)}.`,
    en: (e) => `${q(e.name)} (${e.bytes} bytes) offered by ${t(e.who)} to ${t(e.to)}.`,
  },
  'offer.received': {
    id: (e) => `Tawaran kiriman ${q(e.name)} (${e.bytes} byte) diterima ${t(e.who)} dari ${t(e.from)}.`,
    en: (e) => `Offer of ${q(e.name)} (${e.bytes} bytes) received by ${t(e.who)} from ${t(e.from)}.`,
  },
  'offer.ended': {
    id: (e) => `Kiriman ${q(e.name)} antara ${t(e.who)} dan ${t(e.peer)}: ${q(outcome(e.outcome, 'id'))}.`,
    en: (e) => `Offer of ${q(e.name)} between ${t(e.who)} and ${t(e.peer)}: ${q(outcome(e.outcome, 'en'))}.`,
  },
  'request.response-time': {
    id: (e) => `Waktu respon ${q(e.what)} di ${t(e.who)}: ${six(e.seconds)}s.`,
    en: (e) => `Response time of ${q(e.what)} at ${t(e.who)}: ${six(e.seconds)}s.`,
  },
  'request.latency': {
    id: (e) => `Latency ${q(e.what)} di ${t(e.who)} sampai byte pertama: ${six(e.seconds)}s.`,
    en: (e) => `Latency of ${q(e.what)} at ${t(e.who)} to the first byte: ${six(e.seconds)}s.`,
  },
  'request.throughput': {
    id: (e) =>
      `Throughput ${q(e.what)} di ${t(e.who)}: ${six(e.bytesPerSecond)} bytes/s (${e.bytes} byte dalam ${six(e.seconds)}s).`,
    en: (e) =>
      `Throughput of ${q(e.what)} at ${t(e.who)}: ${six(e.bytesPerSecond)} bytes/s (${e.bytes} bytes in ${six(e.seconds)}s).`,
  },
  'search.received': {
    id: (e) => `Node ${t(e.who)} menerima permintaan pencarian file ${q(e.query)}.`,
    en: (e) => `Node ${t(e.who)} received a search request for file ${q(e.query)}.`,
  },
  'search.found': {
    id: (e) => `File ${q(e.name)} ditemukan di node ${t(e.holder)}.`,
    en: (e) => `File ${q(e.name)} found at node ${t(e.holder)}.`,
  },
  'search.response-time': {
    id: (e) => `Waktu respon pencarian file di node ${t(e.holder)}: ${six(e.seconds)}s.`,
    en: (e) => `File search response time at node ${t(e.holder)}: ${six(e.seconds)}s.`,
  },
  'search.ended': {
    id: (e) =>
      `Pencarian ${q(e.query)} dari node ${t(e.who)} selesai: ${VERDICTS[e.verdict].id}; ${e.asked} node ditanya dalam ${six(e.seconds)}s${
        e.missing.length === 0 ? '' : `; belum ada jawaban dari ${tokens(e.missing)}`
      }.`,
    en: (e) =>
      `Search for ${q(e.query)} from node ${t(e.who)} ended: ${VERDICTS[e.verdict].en}; ${e.asked} nodes asked in ${six(e.seconds)}s${
        e.missing.length === 0 ? '' : `; no answer yet from ${tokens(e.missing)}`
      }.`,
  },
  'library.scanning': {
    id: (e) =>
      `Pustaka ${t(e.who)} masih dipindai: ${e.hashed} file (${e.bytes} byte) dibaca dalam ${six(e.seconds)}s, ${e.files} file sudah bisa dicari.`,
    en: (e) =>
      `Library ${t(e.who)} is still being scanned: ${e.hashed} files (${e.bytes} bytes) read in ${six(e.seconds)}s, ${e.files} files can be found.`,
  },
  'library.scanned': {
    id: (e) =>
      `Pustaka ${t(e.who)} selesai dipindai: ${e.hashed} file (${e.bytes} byte) dibaca dalam ${six(e.seconds)}s, ${e.files} file bisa dicari.`,
    en: (e) =>
      `Library ${t(e.who)} was scanned: ${e.hashed} files (${e.bytes} bytes) read in ${six(e.seconds)}s, ${e.files} files can be found.`,
  },
  'file.stored': {
    id: (e) => `File ${q(e.name)} (${e.bytes} byte) disimpan di ${t(e.who)}, CID ${t(e.cid)}.`,
    en: (e) => `File ${q(e.name)} (${e.bytes} bytes) stored at ${t(e.who)}, CID ${t(e.cid)}.`,
  },
  'file.sent': {
    id: (e) => `File ${q(e.name)} (${e.bytes} byte) dikirim dari ${t(e.who)} ke ${t(e.to)}.`,
    en: (e) => `File ${q(e.name)} (${e.bytes} bytes) sent from ${t(e.who)} to ${t(e.to)}.`,
  },
  'file.downloaded': {
    id: (e) =>
      `File ${q(e.name)} (${e.bytes} byte) diunduh ${t(e.who)} dari ${t(e.from)}, disimpan sebagai ${q(e.path)}.`,
    en: (e) =>
      `File ${q(e.name)} (${e.bytes} bytes) downloaded by ${t(e.who)} from ${t(e.from)}, saved as ${q(e.path)}.`,
  },
  total: {
    id: (e) => `Waktu respon total: ${six(e.seconds)}s, throughput: ${six(e.bytesPerSecond)} bytes/s.`,
    en: (e) => `Total response time: ${six(e.seconds)}s, throughput: ${six(e.bytesPerSecond)} bytes/s.`,
  },
  'balancer.request': {
    id: (e) =>
      `Balancer ${t(e.who)} meneruskan ${t(e.method)} ${t(e.target)} dari ${t(e.client)} ke ${t(e.backend)}: status ${e.status}, ${e.bytes} byte, ${six(e.seconds)}s, ${e.retries} percobaan ulang${e.cut === true ? ', terpotong' : ''}.`,
    en: (e) =>
      `Balancer ${t(e.who)} relayed ${t(e.method)} ${t(e.target)} from ${t(e.client)} to ${t(e.backend)}: status ${e.status}, ${e.bytes} bytes, ${six(e.seconds)}s, ${e.retries} retries${e.cut === true ? ', cut off' : ''}.`,
  },
  'backend.up': {
    id: (e) => `Server ${t(e.backend)} siap melayani, menurut balancer ${t(e.who)}.`,
    en: (e) => `Server ${t(e.backend)} is up, says balancer ${t(e.who)}.`,
  },
  'backend.down': {
    id: (e) => `Server ${t(e.backend)} tidak melayani, menurut balancer ${t(e.who)}: ${q(e.reason)}.`,
    en: (e) => `Server ${t(e.backend)} is down, says balancer ${t(e.who)}: ${q(e.reason)}.`,
  },
  'balancer.changed': {
    id: (e) => `Balancer ${t(e.who)} ${changed(e.what, e.subject, e.value, 'id')}.`,
    en: (e) => `Balancer ${t(e.who)} ${changed(e.what, e.subject, e.value, 'en')}.`,
  },
  'balancer.waiting': {
    id: (e) =>
      `Balancer ${t(e.who)} membaca nilai baru yang menunggu ${e.needs === 'upgrade' ? 'kelana balancer upgrade' : 'dijalankan ulang'}: ${tokens(e.options)}.`,
    en: (e) =>
      `Balancer ${t(e.who)} has read new values that wait for ${e.needs === 'upgrade' ? 'kelana balancer upgrade' : 'a restart'}: ${tokens(e.options)}.`,
  },
  'balancer.connection': {
    id: (e) =>
      `Balancer ${t(e.who)} menyambungkan ${t(e.client)} ke ${t(e.backend)} selama ${six(e.seconds)}s: ${e.received} byte diterima, ${e.sent} byte dikirim, ${t(e.outcome)}.`,
    en: (e) =>
      `Balancer ${t(e.who)} joined ${t(e.client)} to ${t(e.backend)} for ${six(e.seconds)}s: ${e.received} bytes received, ${e.sent} bytes sent, ${t(e.outcome)}.`,
  },
  'balancer.certificates': {
    id: (e) => `Balancer ${t(e.who)} memakai sertifikat untuk ${tokens(e.names)}.`,
    en: (e) => `Balancer ${t(e.who)} uses the certificates for ${tokens(e.names)}.`,
  },
  'backend.ejected': {
    id: (e) =>
      `Server ${t(e.backend)} dikeluarkan selama ${e.seconds}s oleh balancer ${t(e.who)}: ${ejection(e.reason, 'id')}.`,
    en: (e) =>
      `Server ${t(e.backend)} is taken out for ${e.seconds}s by balancer ${t(e.who)}: ${ejection(e.reason, 'en')}.`,
  },
  'backend.readmitted': {
    id: (e) => `Server ${t(e.backend)} kembali dipakai balancer ${t(e.who)}.`,
    en: (e) => `Server ${t(e.backend)} is back in service, says balancer ${t(e.who)}.`,
  },
  'part.started': {
    id: (e) => `Bagian ${t(e.part)} dijalankan (pid ${e.pid}).`,
    en: (e) => `Part ${t(e.part)} started (pid ${e.pid}).`,
  },
  'part.exited': {
    id: (e) =>
      `Bagian ${t(e.part)} berhenti sendiri: ${q(e.reason)}; ${
        e.restartSeconds === null ? 'tidak dijalankan lagi' : `dijalankan lagi dalam ${e.restartSeconds}s`
      }.`,
    en: (e) =>
      `Part ${t(e.part)} exited by itself: ${q(e.reason)}; ${
        e.restartSeconds === null ? 'it is not started again' : `it starts again in ${e.restartSeconds}s`
      }.`,
  },
  'part.stopped': {
    id: (e) => `Bagian ${t(e.part)} dihentikan.`,
    en: (e) => `Part ${t(e.part)} stopped.`,
  },
  'clients.ended': {
    id: (e) =>
      `${e.clients} client selesai: ${e.requests} permintaan, ${e.ok} berhasil, ${e.failed} gagal dalam ${six(e.seconds)}s, throughput: ${six(e.bytesPerSecond)} bytes/s.`,
    en: (e) =>
      `${e.clients} clients ended: ${e.requests} requests, ${e.ok} ok, ${e.failed} failed in ${six(e.seconds)}s, throughput: ${six(e.bytesPerSecond)} bytes/s.`,
  },
  'log.dropped': {
    id: (e) => `${e.count} event dari ${t(e.who)} tidak tertulis ke log ${t(e.sink)}.`,
    en: (e) => `${e.count} events of ${t(e.who)} were not written to the ${t(e.sink)} log.`,
  },
  error: {
    id: (e) => `Kesalahan ${t(e.code)} di ${t(e.who)}: ${q(errorText(e, 'id'))}.`,
    en: (e) => `Error ${t(e.code)} at ${t(e.who)}: ${q(errorText(e, 'en'))}.`,
  },
};
