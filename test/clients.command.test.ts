import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { OK, freePort, goodServer, rawServer } from './clients.fixture.ts';

const MAIN = join(import.meta.dirname, '..', 'src', 'cli', 'main.ts');
const NO_LOG = ['--log', 'none', '--log-db', 'none'];

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kelana-'));
});
after(() => rm(folder, { recursive: true, force: true }));

interface Ended {
  code: number | null;
  out: string;
  err: string;
}

/** Runs the real command; `live` is called with its output so far and may type or send signals. */
function kelana(
  args: readonly string[],
  input: string | null = '',
  live?: (out: string, child: ReturnType<typeof spawn>) => void,
  program: readonly string[] = [process.execPath, MAIN],
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const [file = '', ...first] = program;
    const env = { ...process.env, LANG: 'id_ID.UTF-8', LC_ALL: '', KELANA_LANG: '' };
    const child = spawn(file, [...first, ...args], { cwd: folder, env, stdio: 'pipe', timeout: 20_000 });
    const ended: Ended = { code: null, out: '', err: '' };
    child.stdout.on('data', (chunk: Buffer) => {
      ended.out += chunk.toString();
      live?.(ended.out, child);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      ended.err += chunk.toString();
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ ...ended, code }));
    child.stdin.on('error', () => undefined);
    if (input !== null) child.stdin.end(input);
  });
}

suite('kelana clients', () => {
  test('prints one JSON document of the agreed shape', async () => {
    await using server = await goodServer();
    const args = ['--url', server.url, '--clients', '4', '--requests', '5', '--message', 'halo', '--json'];
    const { code, out, err } = await kelana(['clients', ...args, ...NO_LOG]);
    assert.equal(code, 0, err);
    const report = JSON.parse(out) as Record<string, unknown>;
    assert.partialDeepStrictEqual(report, {
      requests: 20,
      ok: 20,
      failed: 0,
      servers: { server1: 20 },
      errors: {},
    });
    for (const name of ['seconds', 'requestsPerSecond', 'bytesPerSecond']) {
      assert.ok(Number(report[name]) > 0, name);
    }
    for (const name of ['responseMs', 'firstByteMs']) {
      const times = report[name] as Record<string, unknown>;
      assert.deepEqual(Object.keys(times), ['p50', 'p90', 'p99', 'p999', 'max', 'mean']);
      for (const value of Object.values(times)) assert.equal(typeof value, 'number');
    }
    assert.deepEqual([...server.stored.values()], Array(20).fill('halo'));
  });

  test('prints the report and exits with 130 on Ctrl+C', async () => {
    let interrupt = (): void => undefined;
    await using server = await rawServer((socket, { count }) => {
      if (count <= 3) socket.write(OK);
      else interrupt();
    });
    const args = [
      'clients',
      '--url',
      server.url,
      '--clients',
      '1',
      '--duration',
      '60',
      '--message',
      'x',
      '--json',
    ];
    const running = new Promise<Ended>((resolve, reject) => {
      const child = spawn(process.execPath, [MAIN, ...args, ...NO_LOG], { cwd: folder, timeout: 20_000 });
      interrupt = () => void child.kill('SIGINT');
      let out = '';
      child.stdout.on('data', (chunk: Buffer) => {
        out += chunk.toString();
      });
      child.on('error', reject);
      child.on('close', (code) => resolve({ code, out, err: '' }));
    });
    const { code, out } = await running;
    assert.equal(code, 130);
    assert.partialDeepStrictEqual(JSON.parse(out), { requests: 3, ok: 3, failed: 0, interrupted: true });
  });

  test('exits with 1 when a request failed and shows why in the table', async () => {
    await using server = await goodServer({ status: (count) => (count === 2 ? 503 : 201) });
    const args = ['--url', server.url, '--clients', '1', '--requests', '3', '--message', 'x', '--lang', 'id'];
    const { code, out } = await kelana(['clients', ...args, ...NO_LOG]);
    assert.equal(code, 1);
    assert.match(out, /Permintaan +3 +2 berhasil, 1 gagal/);
    assert.match(out, /Gagal karena\nHTTP_503 +1 +100,0 %/);
    for (const line of out.split('\n')) assert.ok(line.length <= 80);
  });

  test('asks for number, content and requests, and takes piped answers in that order', async () => {
    await using server = await goodServer();
    const url = ['--url', server.url, '--lang', 'id', '--json', ...NO_LOG];
    const short = await kelana(['clients', ...url], '5\nhalo dunia\n');
    assert.equal(short.code, 0, short.err);
    assert.partialDeepStrictEqual(JSON.parse(short.out), { clients: 5, requests: 50 });
    assert.deepEqual(new Set(server.stored.values()), new Set(['halo dunia']));
    const long = await kelana(['clients', ...url], 'dua\n2\nteks\n\nhai\n0\n3');
    assert.equal(long.code, 0, long.err);
    assert.partialDeepStrictEqual(JSON.parse(long.out), { clients: 2, requests: 6 });
    assert.match(long.err, /Jumlah client \[10\]:\n {2}'dua' bukan bilangan bulat dari 1 sampai 20000\./);
    assert.match(long.err, /Pesan:\n {2}Jawabannya tidak boleh kosong\./);
    await writeFile(join(folder, 'contoh.txt'), 'INI ADALAH KOMUNIKASI P2P\n');
    const file = await kelana(['clients', ...url], '\nfile\ntidak-ada.txt\ncontoh.txt\n1\n');
    assert.equal(file.code, 0, file.err);
    assert.match(file.err, /tidak-ada\.txt' tidak bisa dibaca \(ENOENT\)/);
    assert.partialDeepStrictEqual(JSON.parse(file.out), { clients: 10, requests: 10 });
    assert.ok([...server.stored.values()].includes('26 bytes at /files/contoh.txt'));
  });

  test('ends with wrong usage where the answers end too early', async () => {
    const { code, err } = await kelana(['clients', '--lang', 'en'], '5\ntext\n');
    assert.equal(code, 2);
    assert.match(err, /The input ended before 'Message' was answered\./);
  });

  const script = existsSync('/usr/bin/script') ? false : 'needs script(1) of util-linux for a terminal';
  const inTerminal = (
    args: readonly string[],
    type: readonly (readonly [RegExp, string])[],
  ): Promise<Ended> => {
    let next = 0;
    const line = [process.execPath, MAIN, ...args].map((part) => `'${part}'`).join(' ');
    return kelana(
      ['-qec', line, '/dev/null'],
      null,
      (out, child) => {
        const [prompt, keys] = type[next] ?? [];
        if (prompt === undefined || !prompt.test(out)) return;
        next += 1;
        child.stdin?.write(keys ?? '');
      },
      ['/usr/bin/script'],
    );
  };

  test('asks in a terminal, shows live progress, and prints the table', { skip: script }, async () => {
    await using server = await goodServer({ delayMs: 100 });
    const { code, out } = await inTerminal(
      ['clients', '--url', server.url, '--lang', 'id', ...NO_LOG],
      [
        [/Jumlah client \[10\]:/, '3\r'],
        [/Kirim teks atau file/, '\r'],
        [/Pesan:/, 'halo\u007f\u007fi\r'],
        [/Jumlah permintaan tiap client \[10\]:/, '5\r'],
      ],
    );
    assert.equal(code, 0, out);
    assert.match(out, /\r\d+\/15 .* p50 .* p99 /);
    assert.match(out, /Permintaan +15 +15 berhasil, 0 gagal/);
    assert.deepEqual(new Set(server.stored.values()), new Set(['hai']));
  });

  for (const [name, key] of [
    ['Ctrl+C', '\u0003'],
    ['Ctrl+D', '\u0004'],
  ] as const) {
    test(`ends with 130 on ${name} at a question`, { skip: script }, async () => {
      const { code, out } = await inTerminal(
        ['clients', '--lang', 'id'],
        [
          [/Jumlah client \[10\]:/, '3\r'],
          [/Kirim teks atau file/, key],
        ],
      );
      assert.equal(code, 130);
      assert.match(out, /Dibatalkan\./);
    });
  }

  test('refuses what cannot be meant, naming the reason', async () => {
    const cases: ReadonlyArray<readonly [readonly string[], number, RegExp]> = [
      [['--message', 'a', '--requests', '1', '--duration', '1'], 2, /--requests and --duration/],
      [['--message', 'a', '--file', 'b'], 2, /--message and --file/],
      [['--message', 'a', '--url', 'ftp://x'], 2, /http:\/\/ or https:\/\//],
      [['--message', 'a', '--clients', '0'], 2, /from 1 to 20000/],
      [['--message', 'x'.repeat(70_000)], 2, /longer than 65536 bytes/],
      [['--file', 'nope.txt'], 1, /cannot be read \(ENOENT\)/],
      [['--file', '.'], 1, /not a regular file/],
      [['--message', 'a', '--url', `http://127.0.0.1:${await freePort()}`], 1, /nothing listens/],
    ];
    const results = await Promise.all(
      cases.map(([args]) => kelana(['clients', '--lang', 'en', ...args, ...NO_LOG])),
    );
    for (const [index, [args, code, words]] of cases.entries()) {
      assert.equal(results[index]?.code, code, args.join(' ').slice(0, 80));
      assert.match(results[index]?.err ?? '', words);
    }
  });
});

suite('kelana client', () => {
  test('sends one message and prints reply, server, times and throughput', async () => {
    await using server = await goodServer();
    const { code, out, err } = await kelana([
      'client',
      '--url',
      server.url,
      '--message',
      'halo',
      '--lang',
      'id',
    ]);
    assert.equal(code, 0, err);
    assert.match(out, /^Balasan +diterima: halo$/m);
    assert.match(out, /^Dari server +server1$/m);
    assert.match(out, /^Waktu respon +0,\d{6} s$/m);
    assert.match(out, /^Latency byte pertama +0,\d{6} s$/m);
    assert.match(out, /^Throughput +[\d.]+,\d\d bytes\/s/m);
    const log = await readFile(join(folder, 'combined_log.txt'), 'utf8');
    assert.match(log, /'halo'/);
    assert.match(log, /'diterima: halo'/);
  });

  test('reads the message from stdin and answers in JSON', async () => {
    await using server = await goodServer();
    const { code, out } = await kelana(
      ['client', '--url', server.url, '--json', ...NO_LOG],
      'baris 1\nbaris 2\n',
    );
    assert.equal(code, 0);
    assert.partialDeepStrictEqual(JSON.parse(out), { status: 201, id: 1, server: 'server1', retries: 0 });
    assert.deepEqual([...server.stored.values()], ['baris 1\nbaris 2']);
  });

  test('passes on what the server says when it refuses', async () => {
    await using server = await goodServer({ status: () => 503 });
    const { code, err } = await kelana([
      'client',
      '--url',
      server.url,
      '--message',
      'a',
      '--lang',
      'id',
      ...NO_LOG,
    ]);
    assert.equal(code, 1);
    // Its own words and its own next step, once each and in the language it was asked for.
    assert.equal(err, 'kelana: Server menjawab 503: Server penuh.\n  → Coba lagi\n');
    assert.deepEqual(server.langs, ['id']);
  });

  test('asks each reply in its language, and the manager too', async () => {
    await using server = await goodServer();
    const rest = ['--url', server.url, '--message', 'a', '--lang', 'en', ...NO_LOG];
    assert.equal((await kelana(['client', ...rest])).code, 0);
    assert.equal((await kelana(['clients', '--clients', '1', '--requests', '2', ...rest])).code, 0);
    assert.deepEqual(server.langs, ['en', 'en', 'en']);
  });

  test("says a balancer's own refusal in the language of the command", async () => {
    const body = '{"error":"NO_SERVER","message":"no server is up; try again soon"}';
    await using server = await rawServer((socket) => {
      socket.end(`HTTP/1.1 503 Busy\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    });
    const { err } = await kelana([
      'client',
      '--url',
      server.url,
      '--message',
      'a',
      '--lang',
      'id',
      ...NO_LOG,
    ]);
    assert.match(err, /503: tidak ada server yang siap di belakang balancer\.\n  → Coba lagi sebentar lagi/);
  });

  test('prints what was stored of a file, in words', async () => {
    await using server = await goodServer();
    await writeFile(join(folder, 'a b.txt'), 'halo');
    const args = ['client', '--url', server.url, '--file', 'a b.txt', '--lang', 'id', ...NO_LOG];
    const { code, out, err } = await kelana(args);
    assert.equal(code, 0, err);
    assert.match(out, /^Tersimpan +'a b\.txt' \(4 B\)\nCID +bafy1\nDari server +server1\n/);
    assert.ok(!out.includes('{'));
    const stored = { name: 'a b.txt', size: 4, cid: 'bafy1' };
    assert.partialDeepStrictEqual(JSON.parse((await kelana([...args, '--json'])).out), { stored });
  });

  test('says of a port that takes the connection and cuts it that it speaks no HTTP', async () => {
    await using server = await rawServer((socket) => socket.resetAndDestroy());
    const args = ['client', '--url', server.url, '--message', 'a', '--lang', 'en', ...NO_LOG];
    const { code, err } = await kelana(args);
    assert.equal(code, 1);
    assert.match(err, /takes the connection, but closes it without an HTTP answer \(ECONNRESET/);
    assert.match(err, /→ Check the port: .*8000.*8080/);
  });

  test('ends with wrong usage where there is nothing to send', async () => {
    const { code, err } = await kelana(['client', '--lang', 'id', ...NO_LOG]);
    assert.equal(code, 2);
    assert.match(err, /Tidak ada yang bisa dikirim: pesannya kosong/);
  });

  test('cannot be made to act on the terminal by a reply', async () => {
    await using server = await rawServer((socket) => {
      socket.write('HTTP/1.1 201 Created\r\nContent-Length: 9\r\n\r\n\u001B[2J\u001B]0;x');
    });
    const { code, out } = await kelana(['client', '--url', server.url, '--message', 'a', ...NO_LOG]);
    assert.equal(code, 0);
    assert.ok(!out.includes('\u001B'));
  });
});
