/**
 * Every error of kelana in one table, and so in one file: each code with its source, exit code and words in both languages.
 */
import type { Lang, Text } from './lang.ts';

/** Process exit codes (docs/exit-codes.md). */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  absent: 3,
  incomplete: 4,
  threshold: 5,
  interrupted: 130,
} as const;

interface ErrorRow {
  /** Who caused it: the person at the keyboard, the machine, a peer, or kelana itself. */
  readonly source: 'user' | 'system' | 'peer' | 'internal';
  /** True where the same call may succeed later without a change by a person. */
  readonly retryable: boolean;
  readonly exit: number;
  /** `{name}` takes the parameter of that name. */
  readonly says: Text;
  readonly fix: Text;
}

/**
 * Over 400 lines on purpose: one table, a row an error, is read by looking up a row, never from top to bottom.
 * Every error kelana reports by itself: code, source, retryability, words and next step.
 */
export const ERRORS = {
  USAGE: {
    source: 'user',
    retryable: false,
    exit: EXIT.usage,
    says: { id: '{detail}', en: '{detail}' },
    fix: { id: 'Lihat: kelana {command} --help', en: 'See: kelana {command} --help' },
  },
  UNKNOWN_COMMAND: {
    source: 'user',
    retryable: false,
    exit: EXIT.usage,
    says: { id: "Perintah '{name}' tidak dikenal.", en: "Unknown command '{name}'." },
    fix: { id: '{hint}Lihat semua perintah: kelana --help', en: '{hint}See all commands: kelana --help' },
  },
  UNKNOWN_FLAG: {
    source: 'user',
    retryable: false,
    exit: EXIT.usage,
    says: { id: "Opsi '{name}' tidak dikenal.", en: "Unknown option '{name}'." },
    fix: { id: '{hint}Lihat: kelana {command} --help', en: '{hint}See: kelana {command} --help' },
  },
  BAD_VALUE: {
    source: 'user',
    retryable: false,
    exit: EXIT.usage,
    says: {
      id: "Nilai '{value}' untuk {name} tidak sah: {why}.",
      en: "Value '{value}' for {name} is not valid: {why}.",
    },
    fix: { id: 'Contoh: {example}', en: 'Example: {example}' },
  },
  BAD_CONFIG: {
    source: 'user',
    retryable: false,
    exit: EXIT.usage,
    says: { id: '{file}, baris {line}: {why}.', en: '{file}, line {line}: {why}.' },
    fix: {
      id: 'Perbaiki berkas itu; contoh lengkap ada di kelana.example.toml',
      en: 'Correct that file; kelana.example.toml is a full example',
    },
  },
  BAD_CERTIFICATE: {
    source: 'user',
    retryable: false,
    exit: EXIT.failed,
    says: {
      id: "Sertifikat '{path}' tidak bisa dipakai: {why}.",
      en: "Certificate '{path}' cannot be used: {why}.",
    },
    fix: {
      id: 'Pakai berkas PEM yang sepasang: sertifikat (dengan rantainya) dan kunci tanpa sandi; periksa: openssl x509 -noout -subject -dates -in BERKAS',
      en: 'Use two PEM files that belong together: certificate (with its chain) and key without a passphrase; check: openssl x509 -noout -subject -dates -in FILE',
    },
  },
  PORT_IN_USE: {
    source: 'system',
    retryable: true,
    exit: EXIT.failed,
    says: {
      id: 'Port {port} di {host} sudah dipakai proses lain, jadi {part} tidak bisa mulai.',
      en: 'Port {port} on {host} is already in use, so the {part} cannot start.',
    },
    fix: {
      id: 'Hentikan proses itu (cari dengan: ss -ltnp "sport = :{port}") atau pilih port lain dengan {flag}',
      en: 'Stop that process (find it with: ss -ltnp "sport = :{port}") or choose another port with {flag}',
    },
  },
  BAD_ADDRESS: {
    source: 'system',
    retryable: false,
    exit: EXIT.failed,
    says: {
      id: 'Alamat {host}:{port} tidak bisa dipakai di mesin ini ({why}).',
      en: 'Address {host}:{port} cannot be used on this machine ({why}).',
    },
    fix: {
      id: 'Pakai alamat milik mesin ini, misalnya --host 127.0.0.1, dan port di atas 1023',
      en: 'Use an address of this machine, for example --host 127.0.0.1, and a port above 1023',
    },
  },
  NO_FOLDER: {
    source: 'user',
    retryable: false,
    exit: EXIT.failed,
    says: { id: "Folder '{path}' tidak ada.", en: "Folder '{path}' does not exist." },
    fix: {
      id: 'Buat dulu (mkdir -p) atau tunjuk folder lain dengan {flag}',
      en: 'Create it (mkdir -p) or name another with {flag}',
    },
  },
  NOT_A_FOLDER: {
    source: 'user',
    retryable: false,
    exit: EXIT.failed,
    says: { id: "'{path}' bukan folder.", en: "'{path}' is not a folder." },
    fix: { id: 'Tunjuk sebuah folder dengan {flag}', en: 'Name a folder with {flag}' },
  },
  CANNOT_READ: {
    source: 'system',
    retryable: false,
    exit: EXIT.failed,
    says: { id: "'{path}' tidak bisa dibaca ({why}).", en: "'{path}' cannot be read ({why})." },
    fix: { id: 'Periksa nama dan izinnya: ls -l', en: 'Check the name and its permissions: ls -l' },
  },
  CANNOT_WRITE: {
    source: 'system',
    retryable: true,
    exit: EXIT.failed,
    says: { id: "'{path}' tidak bisa ditulis ({why}).", en: "'{path}' cannot be written ({why})." },
    fix: {
      id: 'Periksa ruang disk (df -h) dan izin folder',
      en: "Check free space (df -h) and the folder's permissions",
    },
  },
  DATA_IN_USE: {
    source: 'user',
    retryable: true,
    exit: EXIT.failed,
    says: {
      id: "Folder data '{path}' sedang dipakai proses kelana lain (pid {pid}).",
      en: "Data folder '{path}' is in use by another kelana process (pid {pid}).",
    },
    fix: { id: 'Hentikan proses itu atau pakai --data lain', en: 'Stop that process or use another --data' },
  },
  BAD_NAME: {
    source: 'user',
    retryable: false,
    exit: EXIT.failed,
    says: { id: 'Nama berkas {name} ditolak: {why}.', en: 'File name {name} is refused: {why}.' },
    fix: {
      id: 'Pakai nama biasa: paling panjang 255 byte, tanpa "/", "..", dan karakter kendali',
      en: 'Use a plain name: at most 255 bytes, without "/", ".." and control characters',
    },
  },
  FILE_EXISTS: {
    source: 'user',
    retryable: false,
    exit: EXIT.failed,
    says: {
      id: "'{name}' sudah ada dengan isi lain; tidak ditimpa.",
      en: "'{name}' already exists with other content; it was not overwritten.",
    },
    fix: {
      id: 'Pakai nama lain, atau hapus berkas lama itu lebih dahulu',
      en: 'Use another name, or remove the old file first',
    },
  },
  NOT_SHARED: {
    source: 'user',
    retryable: true,
    exit: EXIT.absent,
    says: {
      id: 'Tidak ada berkas dengan CID {cid} yang dibagikan di sini.',
      en: 'No file with CID {cid} is shared here.',
    },
    fix: { id: 'Lihat yang dibagikan: kelana ls', en: 'See what is shared: kelana ls' },
  },
  TOO_MANY_FILES: {
    source: 'user',
    retryable: false,
    exit: EXIT.failed,
    says: {
      id: "Folder '{path}' berisi lebih dari {max} berkas; sisanya tidak dibagikan.",
      en: "Folder '{path}' holds more than {max} files; the rest is not shared.",
    },
    fix: {
      id: 'Bagikan folder yang lebih kecil dengan {flag}',
      en: 'Share smaller folders with {flag}',
    },
  },
  WATCH_LIMIT: {
    source: 'system',
    retryable: true,
    exit: EXIT.failed,
    says: {
      id: 'Tidak semua folder bersama bisa dipantau ({why}), jadi isinya dipindai berkala.',
      en: 'Not all shared folders can be watched ({why}), so they are scanned every now and then.',
    },
    fix: {
      id: 'Naikkan batasnya, misalnya: sysctl fs.inotify.max_user_watches=524288',
      en: 'Raise the limit, for example: sysctl fs.inotify.max_user_watches=524288',
    },
  },
  NO_NODE: {
    source: 'user',
    retryable: true,
    exit: EXIT.failed,
    says: {
      id: "Tidak ada node kelana yang berjalan dengan folder data '{path}'.",
      en: "No kelana node is running with data folder '{path}'.",
    },
    fix: {
      id: 'Jalankan: kelana node (atau kelana up), atau tunjuk folder datanya dengan --data',
      en: 'Start one: kelana node (or kelana up), or point to its data folder with --data',
    },
  },
  LATE: {
    source: 'system',
    retryable: true,
    exit: EXIT.failed,
    says: {
      id: 'Perintahnya diterima, tetapi belum dijawab dalam {seconds} detik.',
      en: 'The command was taken, but not answered within {seconds} s.',
    },
    fix: {
      id: 'Periksa dahulu apakah sudah terjadi (misalnya kelana status), lalu coba lagi',
      en: 'See first whether it was done (kelana status, for one), then try again',
    },
  },
  NO_BALANCER: {
    source: 'user',
    retryable: true,
    exit: EXIT.failed,
    says: {
      id: "Tidak ada balancer yang berjalan dengan folder data '{path}'.",
      en: "No balancer is running with data folder '{path}'.",
    },
    fix: {
      id: 'Jalankan: kelana balancer, atau tunjuk yang berjalan dengan --listen H:P atau --data',
      en: 'Start one: kelana balancer, or point to the one that runs with --listen H:P or --data',
    },
  },
  MANY_BALANCERS: {
    source: 'user',
    retryable: false,
    exit: EXIT.usage,
    says: {
      id: 'Ada beberapa balancer yang berjalan di sini, di port {ports}.',
      en: 'Several balancers are running here, on ports {ports}.',
    },
    fix: { id: 'Sebut satu: --listen :{first}', en: 'Name one: --listen :{first}' },
  },
  LAST_BACKEND: {
    source: 'user',
    retryable: false,
    exit: EXIT.failed,
    says: {
      id: "'{name}' server terakhir yang menerima permintaan: tanpa itu semua permintaan gagal.",
      en: "'{name}' is the last backend that takes requests: without it every request would fail.",
    },
    fix: {
      id: 'Tambah yang lain dulu: kelana balancer add URL, atau hentikan balancer-nya',
      en: 'Add another first: kelana balancer add URL, or stop the balancer',
    },
  },
  BACKEND_EXISTS: {
    source: 'user',
    retryable: false,
    exit: EXIT.failed,
    says: {
      id: "Balancer sudah punya server '{name}'.",
      en: "The balancer already has the backend '{name}'.",
    },
    fix: {
      id: 'Lihat: kelana balancer ls; ganti bobotnya dengan: kelana balancer weight {name} N',
      en: 'See: kelana balancer ls; change its weight with: kelana balancer weight {name} N',
    },
  },
  UPGRADE_FAILED: {
    source: 'system',
    retryable: true,
    exit: EXIT.failed,
    says: {
      id: 'Proses baru balancer tidak bisa mulai ({why}); yang lama jalan terus.',
      en: 'The new process of the balancer could not start ({why}); the old one goes on.',
    },
    fix: {
      id: 'Perbaiki sebabnya, lalu ulangi: kelana balancer upgrade',
      en: 'Put the cause right and try again: kelana balancer upgrade',
    },
  },
  RELOAD_NEEDS_UPGRADE: {
    source: 'user',
    retryable: false,
    exit: EXIT.failed,
    says: {
      id: 'Dengan opsi yang berjalan itu tidak bisa ({why}); tidak ada yang berubah. Ini baru berlaku setelah upgrade: {options}.',
      en: 'That cannot be with the options that run ({why}); nothing was changed. Only an upgrade applies: {options}.',
    },
    fix: { id: 'kelana balancer upgrade', en: 'kelana balancer upgrade' },
  },
  UPGRADE_NEEDS_RESTART: {
    source: 'user',
    retryable: false,
    exit: EXIT.failed,
    says: {
      id: 'Proses baru balancer tidak bisa mulai ({why}); yang lama jalan terus. Ini baru berlaku setelah balancer dijalankan ulang: {options}.',
      en: 'The new process of the balancer could not start ({why}); the old one goes on. Only a restart of the balancer applies: {options}.',
    },
    fix: {
      id: 'Jalankan ulang balancer, atau kembalikan opsi itu dulu lalu ulangi: kelana balancer upgrade',
      en: 'Restart the balancer, or put those options back first and try again: kelana balancer upgrade',
    },
  },
  START_FAILED: {
    source: 'system',
    retryable: true,
    exit: EXIT.failed,
    says: {
      id: 'Proses balancer tidak bisa mulai ({why}).',
      en: 'The processes of the balancer could not start ({why}).',
    },
    fix: {
      id: 'Perbaiki sebabnya, lalu ulangi: kelana balancer',
      en: 'Put the cause right and try again: kelana balancer',
    },
  },
  NO_ADDRESS: {
    source: 'peer',
    retryable: true,
    exit: EXIT.failed,
    says: {
      id: "Server '{name}' belum ditemukan ({why}); balancer terus bertanya.",
      en: "No server is found for '{name}' ({why}); the balancer goes on asking.",
    },
    fix: {
      id: 'Periksa nama itu dan server DNS-nya (--dns); untuk p2p:// node dan kuncinya (--peer, --group-key)',
      en: 'Check the name and its DNS server (--dns); of p2p:// the node and the key (--peer, --group-key)',
    },
  },
  WORKER_FAILED: {
    source: 'system',
    retryable: true,
    exit: EXIT.failed,
    says: {
      id: 'Sebuah proses balancer tidak menjawab ({why}).',
      en: 'A process of the balancer does not answer ({why}).',
    },
    fix: {
      id: 'Lihat keadaannya: kelana balancer ls; proses yang mati dijalankan lagi dengan sendirinya',
      en: 'See how it is: kelana balancer ls; a process that died is started again by itself',
    },
  },
  PEER_UNREACHABLE: {
    source: 'peer',
    retryable: true,
    exit: EXIT.failed,
    says: { id: 'Node {peer} tidak dapat dihubungi ({why}).', en: 'Node {peer} cannot be reached ({why}).' },
    fix: {
      id: 'Periksa alamatnya dan apakah node itu berjalan; kelana terus mencoba sendiri',
      en: 'Check the address and that the node is running; kelana keeps trying by itself',
    },
  },
  NOT_KELANA: {
    source: 'peer',
    retryable: true,
    exit: EXIT.failed,
    says: {
      id: '{peer} menjawab, tetapi bukan node kelana ({why}).',
      en: '{peer} answers, but is not a kelana node ({why}).',
    },
    fix: {
      id: 'Periksa port: node kelana biasanya di 5001, 5002, 5003',
      en: 'Check the port: kelana nodes are usually on 5001, 5002, 5003',
    },
  },
  PEER_PROTOCOL: {
    source: 'peer',
    retryable: false,
    exit: EXIT.failed,
    says: {
      id: 'Node {peer} mengirim data yang tidak sah: {why}.',
      en: 'Node {peer} sent invalid data: {why}.',
    },
    fix: {
      id: 'Sambungannya ditutup; perbarui kelana di node itu bila ini berulang',
      en: 'Its link was closed; update kelana on that node if this repeats',
    },
  },
  BAD_BLOCK: {
    source: 'peer',
    retryable: true,
    exit: EXIT.failed,
    says: {
      id: "Node {peer} mengirim blok {index} dari '{name}' yang tidak cocok dengan hash-nya.",
      en: "Node {peer} sent block {index} of '{name}' that does not match its hash.",
    },
    fix: {
      id: 'Byte itu tidak disimpan; coba lagi atau ambil dari node lain',
      en: 'The bytes were not kept; try again or fetch from another node',
    },
  },
  TRANSFER_FAILED: {
    source: 'peer',
    retryable: true,
    exit: EXIT.failed,
    says: { id: "'{name}' belum selesai diunduh: {why}.", en: "'{name}' could not be downloaded: {why}." },
    fix: { id: 'Coba lagi: kelana get {name}', en: 'Try again: kelana get {name}' },
  },
  DOWNLOAD_BUSY: {
    source: 'user',
    retryable: true,
    exit: EXIT.failed,
    says: {
      id: "'{name}' sedang diunduh ke folder yang sama (proses {pid}).",
      en: "'{name}' is being downloaded to the same folder already (process {pid}).",
    },
    fix: {
      id: 'Tunggu sampai selesai, atau unduh ke folder lain',
      en: 'Wait until that is done, or download to another folder',
    },
  },
  SOURCE_CHANGED: {
    source: 'peer',
    retryable: true,
    exit: EXIT.failed,
    says: {
      id: "Berkas '{name}' berubah di sumbernya selama dikirim.",
      en: "File '{name}' changed at its source while it was sent.",
    },
    fix: { id: 'Cari lagi untuk mendapat versi barunya', en: 'Search again to get its new version' },
  },
  SHARE_ENDED: {
    source: 'user',
    retryable: true,
    exit: EXIT.failed,
    says: {
      id: "'{path}' dihentikan berbaginya selagi dibaca (kelana unshare), jadi tidak dibagikan.",
      en: "'{path}' was taken back while it was read (kelana unshare), so it is not shared.",
    },
    fix: { id: 'Bagikan lagi: kelana share {path}', en: 'Share it again: kelana share {path}' },
  },
  DOWNLOAD_STOPPED: {
    source: 'user',
    retryable: true,
    exit: EXIT.interrupted,
    says: {
      id: "Unduhan '{name}' dihentikan; yang sudah terunduh tetap disimpan.",
      en: "The download of '{name}' was stopped; what it fetched so far is kept.",
    },
    fix: {
      id: 'Perintah yang sama melanjutkannya: kelana get {cid}',
      en: 'The same command resumes it: kelana get {cid}',
    },
  },
  SEND_LEFT: {
    source: 'user',
    retryable: false,
    exit: EXIT.interrupted,
    says: {
      id: 'Tidak ditunggu lagi; yang sudah diserahkan kepada node ini dikirimnya sendiri.',
      en: 'Not waited for any more; what this node was handed it sends by itself.',
    },
    fix: {
      id: 'Lihat dulu apa yang sudah ada di sana: kelana inbox --sent',
      en: 'See what is there before you send again: kelana inbox --sent',
    },
  },
  NO_TRANSFER: {
    source: 'user',
    retryable: false,
    exit: EXIT.absent,
    says: { id: 'Tidak ada transfer nomor {id}.', en: 'There is no transfer number {id}.' },
    fix: { id: 'Lihat semuanya: kelana transfers', en: 'See them all: kelana transfers' },
  },
  NOT_A_FILE: {
    source: 'user',
    retryable: false,
    exit: EXIT.failed,
    says: {
      id: 'CID {cid} di node IPFS {peer} bukan berkas yang bisa diunduh: {why}.',
      en: 'CID {cid} at the IPFS node {peer} is not a file that can be fetched: {why}.',
    },
    fix: {
      id: 'Pakai CID sebuah berkas (UnixFS dengan SHA-256); isi folder: ipfs ls {cid}',
      en: 'Use the CID of a file (UnixFS with SHA-256); for what a folder holds: ipfs ls {cid}',
    },
  },
  TOO_MANY_BLOCKS: {
    source: 'user',
    retryable: false,
    exit: EXIT.failed,
    says: {
      id: 'Lebih dari {max} blok dibagikan; berkas besar selebihnya tidak ditawarkan ke node IPFS.',
      en: 'More than {max} blocks are shared; large files beyond that are not offered to IPFS nodes.',
    },
    fix: {
      id: 'Bagikan folder yang lebih kecil dengan --share; node kelana tetap bisa mengambil semuanya',
      en: 'Share smaller folders with --share; kelana nodes can still fetch everything',
    },
  },
  SERVER_UNREACHABLE: {
    source: 'system',
    retryable: true,
    exit: EXIT.failed,
    says: { id: '{url} tidak dapat dihubungi ({why}).', en: '{url} cannot be reached ({why}).' },
    fix: {
      id: 'Jalankan dulu server atau balancer-nya (kelana up), atau tunjuk alamat lain dengan --url',
      en: 'Start the server or balancer first (kelana up), or name another address with --url',
    },
  },
  SERVER_REFUSED: {
    source: 'system',
    retryable: false,
    exit: EXIT.failed,
    says: { id: 'Server menjawab {status}: {why}.', en: 'The server answered {status}: {why}.' },
    fix: { id: '{fix}', en: '{fix}' },
  },
  SERVER_FAILED: {
    source: 'system',
    retryable: true,
    exit: EXIT.failed,
    says: { id: 'Server menjawab {status}: {why}.', en: 'The server answered {status}: {why}.' },
    fix: { id: '{fix}', en: '{fix}' },
  },
  BAD_ANSWER: {
    source: 'peer',
    retryable: false,
    exit: EXIT.failed,
    says: {
      id: '{url} menjawab, tetapi bukan dengan HTTP/1.1 yang sah ({why}).',
      en: '{url} answers, but not in valid HTTP/1.1 ({why}).',
    },
    fix: {
      id: 'Periksa port-nya: balancer kelana biasanya di 8000, server di 8080 dan 8081',
      en: 'Check the port: the balancer of kelana is usually on 8000, servers on 8080 and 8081',
    },
  },
  NO_ANSWER: {
    source: 'peer',
    retryable: true,
    exit: EXIT.failed,
    says: {
      id: '{url} tersambung, tetapi menutup sambungannya tanpa jawaban HTTP ({why}).',
      en: '{url} takes the connection, but closes it without an HTTP answer ({why}).',
    },
    fix: {
      id: 'Periksa port-nya: balancer kelana biasanya di 8000, server di 8080 dan 8081; port node (5001, 5002, 5003) tidak berbicara HTTP',
      en: 'Check the port: the balancer of kelana is usually on 8000, servers on 8080 and 8081; the port of a node (5001, 5002, 5003) does not speak HTTP',
    },
  },
  OPEN_FILES: {
    source: 'system',
    retryable: false,
    exit: EXIT.failed,
    says: {
      id: 'Batas berkas terbuka proses ini tercapai sebelum {wanted} client tersambung ({why}).',
      en: 'The limit of open files of this process was reached before {wanted} clients were connected ({why}).',
    },
    fix: {
      id: 'Naikkan batasnya: ulimit -n {need}, atau pakai lebih sedikit client dengan --clients',
      en: 'Raise the limit: ulimit -n {need}, or use fewer clients with --clients',
    },
  },
  TIMEOUT: {
    source: 'system',
    retryable: true,
    exit: EXIT.failed,
    says: {
      id: '{what} tidak selesai dalam {seconds} detik.',
      en: '{what} did not finish within {seconds} s.',
    },
    fix: {
      id: 'Coba lagi, atau beri waktu lebih dengan --timeout',
      en: 'Try again, or allow more time with --timeout',
    },
  },
  DATABASE: {
    source: 'system',
    retryable: true,
    exit: EXIT.failed,
    says: {
      id: "Basis data '{path}' tidak bisa dipakai ({why}).",
      en: "Database '{path}' cannot be used ({why}).",
    },
    fix: {
      id: 'Periksa izin, ruang disk, dan bahwa itu berkas SQLite milik kelana',
      en: 'Check permissions, free space, and that it is an SQLite file of kelana',
    },
  },
  MAILBOX_BUSY: {
    source: 'system',
    retryable: true,
    exit: EXIT.failed,
    says: {
      id: 'Pesan TIDAK diterima: kotak pesan sedang sibuk ({why}).',
      en: 'The message was NOT accepted: the mailbox is busy ({why}).',
    },
    fix: {
      id: 'Kirim lagi sebentar lagi, dengan Idempotency-Key yang sama',
      en: 'Send it again in a moment, with the same Idempotency-Key',
    },
  },
  MAILBOX_UNSAFE: {
    source: 'system',
    retryable: true,
    exit: EXIT.failed,
    says: {
      id: 'Kotak pesan tidak bisa dipakai: disk server gagal ({why}). Tidak ada pesan baru yang diterima.',
      en: "The mailbox cannot be used: the server's disk failed ({why}). No new message is accepted.",
    },
    fix: {
      id: 'Kirim lagi nanti dengan Idempotency-Key yang sama; operator: periksa disk (dmesg, df -h)',
      en: 'Send it again later with the same Idempotency-Key; operator: check the disk (dmesg, df -h)',
    },
  },
  KEY_REUSED: {
    source: 'user',
    retryable: false,
    exit: EXIT.failed,
    says: {
      id: 'Idempotency-Key itu sudah dipakai untuk pesan lain (id {id}).',
      en: 'That Idempotency-Key was already used for another message (id {id}).',
    },
    fix: { id: 'Pakai kunci baru untuk pesan baru', en: 'Use a new key for a new message' },
  },
  BAD_REQUEST: {
    source: 'user',
    retryable: false,
    exit: EXIT.failed,
    says: { id: 'Permintaan tidak sah: {why}.', en: 'The request is not valid: {why}.' },
    fix: { id: 'Lihat /openapi.json untuk bentuknya', en: 'See /openapi.json for its form' },
  },
  NO_ROUTE: {
    source: 'user',
    retryable: false,
    exit: EXIT.failed,
    says: { id: 'Tidak ada {path} di server ini.', en: 'There is no {path} on this server.' },
    fix: { id: 'Lihat /openapi.json untuk semua alamat', en: 'See /openapi.json for all addresses' },
  },
  NOT_ALLOWED: {
    source: 'user',
    retryable: false,
    exit: EXIT.failed,
    says: { id: '{method} tidak berlaku untuk {path}.', en: '{method} is not allowed for {path}.' },
    fix: { id: 'Yang berlaku: {allow}', en: 'Allowed: {allow}' },
  },
  TOO_LARGE: {
    source: 'user',
    retryable: false,
    exit: EXIT.failed,
    says: {
      id: '{what} terlalu besar: paling banyak {limit} byte.',
      en: '{what} is too large: at most {limit} bytes.',
    },
    fix: {
      id: 'Kirim yang lebih kecil; isi yang panjang bisa dikirim sebagai berkas: PUT /files/NAMA',
      en: 'Send less; long content can be sent as a file: PUT /files/NAME',
    },
  },
  BAD_TYPE: {
    source: 'user',
    retryable: false,
    exit: EXIT.failed,
    says: { id: 'Jenis isi ini tidak diterima: {why}.', en: 'This kind of content is not accepted: {why}.' },
    fix: {
      id: 'Pakai Content-Type: application/json atau text/plain, dalam UTF-8',
      en: 'Use Content-Type: application/json or text/plain, in UTF-8',
    },
  },
  CROSS_SITE: {
    source: 'user',
    retryable: false,
    exit: EXIT.failed,
    says: {
      id: 'Ditolak: halaman web situs lain ({origin}) tidak boleh menulis ke sini.',
      en: 'Refused: a web page of another site ({origin}) may not write here.',
    },
    fix: {
      id: 'Kirim dari halaman server ini sendiri, atau dengan curl atau kelana',
      en: "Send from this server's own page, or with curl or kelana",
    },
  },
  FILE_ABSENT: {
    source: 'user',
    retryable: false,
    exit: EXIT.absent,
    says: {
      id: "'{name}' tidak ada: semua {asked} node lain yang terjangkau sudah ditanya.",
      en: "'{name}' does not exist: all {asked} other reachable nodes were asked.",
    },
    fix: {
      id: 'Periksa ejaannya, atau unggah: PUT /files/NAMA',
      en: 'Check the spelling, or upload it: PUT /files/NAME',
    },
  },
  FILE_INCOMPLETE: {
    source: 'peer',
    retryable: true,
    exit: EXIT.incomplete,
    says: {
      id: "'{name}' belum ditemukan, dan belum pasti tidak ada: {asked} node lain ditanya, jawaban kurang dari {missing}.",
      en: "'{name}' was not found, nor proved absent: {asked} other nodes were asked, answers are missing from {missing}.",
    },
    fix: { id: 'Coba lagi sebentar lagi', en: 'Try again in a moment' },
  },
  NO_FOLDER_FOUND: {
    source: 'user',
    retryable: false,
    exit: EXIT.usage,
    says: {
      id: "Tidak ada folder yang cocok dengan '{query}', dan --only memilih dari sebuah folder.",
      en: "No folder matches '{query}', and --only chooses from a folder.",
    },
    fix: {
      id: 'Cari tanpa --only, atau sebut foldernya menurut CID: kelana get CID --only POLA',
      en: 'Look without --only, or name the folder by its CID: kelana get CID --only GLOB',
    },
  },
  NONE_CHOSEN: {
    source: 'user',
    retryable: false,
    exit: EXIT.usage,
    says: {
      id: "Di folder '{name}' tidak ada berkas yang cocok dengan --only {only}.",
      en: "No file in the folder '{name}' matches --only {only}.",
    },
    fix: {
      id: "Sebut nama, atau jalurnya di bawah folder itu, di dalam tanda petik: --only '*.jpg', --only 'foto/**'",
      en: "Give names, or paths below that folder, in quotes: --only '*.jpg', --only 'photos/**'",
    },
  },
  AMBIGUOUS: {
    source: 'user',
    retryable: false,
    exit: EXIT.usage,
    says: {
      id: "{count} berkas berbeda sama cocoknya dengan '{query}': {list}.",
      en: "{count} different files match '{query}' equally well: {list}.",
    },
    fix: {
      id: 'Pilih satu menurut CID-nya: kelana get {cid}',
      en: 'Choose one by its CID: kelana get {cid}',
    },
  },
  BAD_RANGE: {
    source: 'user',
    retryable: false,
    exit: EXIT.failed,
    says: {
      id: 'Rentang yang diminta ada di luar berkas ini ({size} byte).',
      en: 'The range asked for lies outside this file ({size} bytes).',
    },
    fix: {
      id: 'Minta bagian di dalamnya, misalnya Range: bytes=0-99',
      en: 'Ask for a part within it, for example Range: bytes=0-99',
    },
  },
  PRECONDITION: {
    source: 'user',
    retryable: false,
    exit: EXIT.failed,
    says: { id: 'Syarat {header} tidak terpenuhi.', en: 'The condition of {header} is not met.' },
    fix: { id: 'Ambil lagi ETag yang sekarang', en: 'Fetch the current ETag' },
  },
  UPLOAD_CUT: {
    source: 'system',
    retryable: true,
    exit: EXIT.failed,
    says: {
      id: "Unggahan '{name}' terputus; tidak ada yang disimpan.",
      en: "The upload of '{name}' was cut off; nothing was kept.",
    },
    fix: { id: 'Unggah lagi dari awal', en: 'Upload it again from the start' },
  },
  OVERLOADED: {
    source: 'system',
    retryable: true,
    exit: EXIT.failed,
    says: { id: 'Server sedang penuh: {what}.', en: 'The server is full: {what}.' },
    fix: { id: 'Coba lagi sebentar lagi', en: 'Try again in a moment' },
  },
  NO_LOG: {
    source: 'user',
    retryable: true,
    exit: EXIT.failed,
    says: {
      id: "Belum ada log: tidak ada '{database}' maupun '{file}'.",
      en: "There is no log yet: neither '{database}' nor '{file}' exists.",
    },
    fix: {
      id: 'Jalankan sesuatu dulu (kelana up), pindah ke foldernya, atau tunjuk berkasnya dengan --log-db dan --log',
      en: 'Run something first (kelana up), go to its folder, or name the files with --log-db and --log',
    },
  },
  LOG_NEEDS_DATABASE: {
    source: 'user',
    retryable: false,
    exit: EXIT.failed,
    says: {
      id: "{flags} memerlukan basis data log, dan '{database}' tidak ada.",
      en: "{flags} needs the log database, and '{database}' does not exist.",
    },
    fix: {
      id: "Jalankan bagian-bagian kelana tanpa --log-db none, atau baca '{file}' hanya dengan --grep dan --since",
      en: "Run the parts without --log-db none, or read '{file}' with --grep and --since only",
    },
  },
  TOO_OLD_NODE: {
    source: 'user',
    retryable: false,
    exit: EXIT.usage,
    says: {
      id: 'kelana perlu Node.js 24 atau lebih baru; ini {version}.',
      en: 'kelana needs Node.js 24 or newer; this is {version}.',
    },
    fix: {
      id: 'Pasang Node.js baru, atau pakai npm start di dalam klon',
      en: 'Install a newer Node.js, or use npm start inside a clone',
    },
  },
  INTERRUPTED: {
    source: 'user',
    retryable: true,
    exit: EXIT.interrupted,
    says: { id: 'Dihentikan.', en: 'Stopped.' },
    fix: { id: 'Perintah yang sama memulainya lagi', en: 'The same command begins it again' },
  },
  UNANSWERED: {
    source: 'user',
    retryable: true,
    exit: EXIT.interrupted,
    says: { id: 'Dibatalkan.', en: 'Cancelled.' },
    fix: {
      id: 'Jalankan lagi, atau beri jawabannya sebagai opsi: kelana {command} --help',
      en: 'Run it again, or give the answers as options: kelana {command} --help',
    },
  },
  PART_FAILED: {
    source: 'system',
    retryable: true,
    exit: EXIT.failed,
    says: { id: '{part} tidak bisa mulai. {message}', en: '{part} could not start. {message}' },
    fix: { id: '{fix}', en: '{fix}' },
  },
  BUSY: {
    source: 'system',
    retryable: true,
    exit: EXIT.failed,
    says: { id: 'Sudah ada {most} {what} yang berjalan.', en: 'There are {most} {what} under way already.' },
    fix: { id: 'Tunggu sebentar lalu coba lagi', en: 'Wait a moment and try again' },
  },
  BAD_CHANGES: {
    source: 'user',
    retryable: false,
    exit: EXIT.usage,
    says: { id: '{file}: {why}.', en: '{file}: {why}.' },
    fix: {
      id: "Hapus berkas itu untuk kembali ke pengaturan; yang diubah dengan perintah 'kelana balancer' lalu hilang",
      en: "Delete that file to go back to the settings; what 'kelana balancer' commands changed is then forgotten",
    },
  },
  FEW_DESCRIPTORS: {
    source: 'system',
    retryable: false,
    exit: EXIT.failed,
    says: {
      id: 'Proses ini boleh membuka {limit} berkas, jadi menerima {fit} sambungan dan {active} permintaan sekaligus, bukan {wanted} dan {wantedActive}; ulimit -n {needs} memberi tempat.',
      en: 'This process may open {limit} files, so it takes {fit} connections and {active} requests at once, not {wanted} and {wantedActive}; ulimit -n {needs} makes room.',
    },
    fix: { id: 'Naikkan dengan ulimit -n {needs}', en: 'Raise it with ulimit -n {needs}' },
  },
  NO_SUCH_BACKEND: {
    source: 'user',
    retryable: false,
    exit: EXIT.failed,
    says: {
      id: "Balancer ini tidak punya server '{name}'.",
      en: "This balancer has no server '{name}'.",
    },
    fix: { id: 'Yang ada: {known}', en: 'There is: {known}' },
  },
  NO_SUCH_ITEM: {
    source: 'user',
    retryable: false,
    exit: EXIT.absent,
    says: { id: 'Tidak ada nomor {no} di kotak masuk.', en: 'There is no number {no} in the inbox.' },
    fix: { id: 'Lihat nomornya: kelana inbox', en: 'See the numbers: kelana inbox' },
  },
  NO_OFFER: {
    source: 'user',
    retryable: false,
    exit: EXIT.failed,
    says: { id: 'Nomor {no} {what}.', en: 'Number {no} {what}.' },
    fix: { id: 'Lihat keadaannya: kelana inbox', en: 'See how it stands: kelana inbox' },
  },
  SENT_IN_VAIN: {
    source: 'peer',
    retryable: false,
    exit: EXIT.failed,
    says: { id: 'Node {peer} tidak menerimanya: {why}.', en: 'Node {peer} did not take it: {why}.' },
    fix: {
      id: 'Tanyakan kepada penerimanya, lalu kirim lagi bila perlu',
      en: 'Ask the receiver, then send it again where it makes sense',
    },
  },
  OFFER_LOST: {
    source: 'peer',
    retryable: false,
    exit: EXIT.failed,
    says: {
      id: "'{name}' dari node {peer} tidak bisa diambil: {why}.",
      en: "'{name}' from node {peer} could not be fetched: {why}.",
    },
    fix: { id: 'Minta pengirimnya mengirim lagi', en: 'Ask its sender to send it again' },
  },
  NODE_UNKNOWN: {
    source: 'user',
    retryable: true,
    exit: EXIT.failed,
    says: {
      id: 'Node {peer} tidak dapat dihubungi ({why}), dan belum pernah tersambung dengan node ini.',
      en: 'Node {peer} cannot be reached ({why}), and was never linked to this node.',
    },
    fix: {
      id: 'Kirim setelah node itu berjalan, atau sebut identitasnya (kelana status di sana): pesan lalu menunggu sampai ia kembali',
      en: 'Send once that node runs, or name its identity (kelana status there): the message then waits until it is back',
    },
  },
  OUTBOX_FULL: {
    source: 'user',
    retryable: true,
    exit: EXIT.failed,
    says: {
      id: 'Sudah ada {count} kiriman yang menunggu penerimanya; tidak ada tempat lagi.',
      en: '{count} items wait for their receivers already; there is no room for more.',
    },
    fix: { id: 'Lihat yang menunggu: kelana inbox --sent', en: 'See what waits: kelana inbox --sent' },
  },
  LETTER_EXPIRED: {
    source: 'peer',
    retryable: false,
    exit: EXIT.failed,
    says: {
      id: "'{name}' untuk node {peer} tidak sampai dalam {days} hari dan tidak dicoba lagi.",
      en: "'{name}' for node {peer} was not delivered within {days} days and is not tried again.",
    },
    fix: { id: 'Kirim lagi bila node itu sudah kembali', en: 'Send it again once that node is back' },
  },
  INTERNAL: {
    source: 'internal',
    retryable: false,
    exit: EXIT.failed,
    says: { id: 'Kesalahan dalam kelana sendiri: {detail}', en: 'A fault in kelana itself: {detail}' },
    fix: { id: 'Laporkan dengan keluaran KELANA_DEBUG=1', en: 'Report it with the output of KELANA_DEBUG=1' },
  },
} as const satisfies Record<string, ErrorRow>;

/** The next step after an errno in `why`, where it is known better than the row's. */
const FORBIDDEN: Text = {
  id: 'Periksa izin folder itu (ls -ld) dan bahwa disknya tidak dipasang hanya-baca, atau tunjuk tempat lain',
  en: "Check that folder's permissions (ls -ld) and that its disk is not mounted read-only, or name another place",
};
const FULL: Text = {
  id: 'Kosongkan ruang disk atau kuota (df -h), atau tunjuk tempat lain',
  en: 'Make room on the disk or in the quota (df -h), or name another place',
};
const FIX_BY_ERRNO: Partial<Readonly<Record<ErrorCode, Readonly<Record<string, Text>>>>> = {
  CANNOT_WRITE: { EACCES: FORBIDDEN, EPERM: FORBIDDEN, EROFS: FORBIDDEN, ENOSPC: FULL, EDQUOT: FULL },
};

/** The next step where a part of a download is kept; in place of steps that say no more than this. */
const KEPT: Text = {
  id: '{kept} dari {of} sudah ada dan disimpan 30 hari; lanjutkan dengan: kelana get {again}',
  en: '{kept} of {of} are here and kept for 30 days; go on with: kelana get {again}',
};
/** The same for a file that is another at its holder, or the same under another name: a person has to choose. */
const KEPT_OF_CHANGED: Text = {
  id: 'bila di sana hanya diganti nama atau disentuh, lanjutkan dengan: kelana get {again} ({kept} dari {of} sudah ada dan disimpan 30 hari)',
  en: 'if it was only renamed or touched there, go on with: kelana get {again} ({kept} of {of} are here and kept for 30 days)',
};
const NO_MORE_THAN_KEPT: ReadonlySet<ErrorCode> = new Set(['TRANSFER_FAILED', 'PEER_UNREACHABLE']);

export type ErrorCode = keyof typeof ERRORS;
/** A parameter may itself be a sentence in both languages. */
export type ErrorParams = Readonly<Record<string, string | number | Text>>;

function fill(template: string, params: ErrorParams, lang: Lang): string {
  return template.replace(/\{(\w+)\}/g, (_, key: string) => {
    const value = params[key] ?? '';
    return typeof value === 'object' ? value[lang] : String(value);
  });
}

/** An error a person can act on. `message` is English; `describe` gives either language with the next step. */
export class KelanaError extends Error {
  readonly code: ErrorCode;
  readonly params: ErrorParams;

  constructor(code: ErrorCode, params: ErrorParams = {}, cause?: unknown) {
    super(fill(ERRORS[code].says.en, params, 'en'), cause === undefined ? undefined : { cause });
    this.name = 'KelanaError';
    this.code = code;
    this.params = params;
  }

  get row(): ErrorRow {
    return ERRORS[this.code];
  }

  /** `why` may be an errno alone, or begin with it. */
  #fix(): Text {
    const { why } = this.params;
    const text = typeof why === 'object' ? why.en : String(why);
    return FIX_BY_ERRNO[this.code]?.[/^E[A-Z0-9]+/.exec(text)?.[0] ?? ''] ?? this.row.fix;
  }

  describe(lang: Lang): { says: string; fix: string } {
    const kept = this.code === 'SOURCE_CHANGED' ? KEPT_OF_CHANGED : KEPT;
    const steps = [this.#fix(), ...('kept' in this.params ? [kept] : [])];
    if (steps.length > 1 && NO_MORE_THAN_KEPT.has(this.code)) steps.shift();
    return {
      says: fill(this.row.says[lang], this.params, lang),
      fix: steps.map((step) => fill(step[lang], this.params, lang)).join('; '),
    };
  }
}

/** Turns anything thrown into a KelanaError without losing what was thrown. */
export function asKelanaError(thrown: unknown): KelanaError {
  if (thrown instanceof KelanaError) return thrown;
  const detail = thrown instanceof Error ? thrown.message : String(thrown);
  return new KelanaError('INTERNAL', { detail }, thrown);
}

/** The short system reason of a thrown value: its errno code where it has one, else its message. */
export function reason(thrown: unknown): string {
  if (thrown instanceof Error) {
    const code = (thrown as { code?: unknown }).code;
    return typeof code === 'string' && code !== '' ? code : thrown.message;
  }
  return String(thrown);
}
