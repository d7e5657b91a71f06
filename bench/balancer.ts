/**
 * The balancer beside HAProxy, nginx, and proxies on node:http and undici. Run: npm run bench:balancer [-- --rounds 5]
 *
 * Everything runs on this machine over loopback, with settings of its own in a folder that is removed at the end: one
 * backend (nginx with bodies of fixed sizes), each proxy with one worker and kept-alive connections to it, wrk as
 * client. In every round the proxies take turns; a ratio is that of two turns of one round. CPU is that of the proxy's
 * own processes and threads, from /proc: the figure that other work on the machine disturbs least.
 *   small    small requests on 64 kept connections
 *   medium   bodies of 64 KiB            large   bodies of 10 MiB
 *   new      a connection for each request
 *   latency  what is added to the backend's own p50, p99 and p99.9
 *   log      an event of log for each request: off, into a file, and into a file and SQLite, which is the default; in
 *            slices of 250 ms, two processes of each, and `off` twice, so that it shows its own noise (3 minutes)
 *   idle     memory of each of --connections idle clients
 *   slow     p99 of others beside 1,000 clients that drip heads and bodies, once they are there; CPU of a drip
 *   tls      small requests over TLS on 64 kept connections   handshake   a handshake for each request
 * Debian's haproxy, nginx and wrk must be installed; httpxy and @fastify/http-proxy come from npm (bench/peers).
 *
 * --rows ROW,…  --peers NAME,…  --rounds N (default 3)  --seconds S (default 3, of each turn)  --connections N (10,000)
 * --json prints one document. Ends with 5 where a goal is missed.
 */
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { listOf, misused, readArguments, wholeNumber } from './arguments.ts';
import { startBackend } from './balancer/backend.ts';
import { demand, PROXIES, type ProxyName } from './balancer/proxies.ts';
import { ROWS, type Section } from './balancer/rows.ts';
import { digits, goalText, judge, tableOf } from './transfer/figures.ts';
import { Workshop } from './transfer/workshop.ts';

const MISSED = 5;

const USAGE_TEXT = `npm run bench:balancer -- [--rows ROW,…] [--peers NAME,…] [--rounds N] [--seconds S] [--connections N] [--json]
rows: ${Object.keys(ROWS).join(', ')}
peers: ${PROXIES.join(', ')}
`;

const values = readArguments(USAGE_TEXT, () =>
  parseArgs({
    options: {
      rows: { type: 'string' },
      peers: { type: 'string' },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '3' },
      connections: { type: 'string', default: '10000' },
      json: { type: 'boolean', default: false },
    },
  }),
);
const began = performance.now();
function progress(text: string): void {
  process.stderr.write(`${((performance.now() - began) / 1000).toFixed(0).padStart(5)} s  ${text}\n`);
}

const rows = values.rows === undefined ? Object.keys(ROWS) : listOf(values.rows);
const unknown = rows.find((row) => ROWS[row] === undefined);
if (unknown !== undefined) misused(`there is no row '${unknown}'; rows: ${Object.keys(ROWS).join(', ')}`);
const asked = values.peers === undefined ? PROXIES : listOf(values.peers);
const stranger = asked.find((name) => !(PROXIES as readonly string[]).includes(name));
if (stranger !== undefined) misused(`there is no peer '${stranger}'; peers: ${PROXIES.join(', ')}`);
const proxies: readonly ProxyName[] = PROXIES.filter((name) => name === 'kelana' || asked.includes(name));
if (process.platform !== 'linux') misused('bench:balancer reads /proc and runs on Linux only');
const options = {
  rounds: wholeNumber('rounds', values.rounds),
  seconds: wholeNumber('seconds', values.seconds),
  connections: wholeNumber('connections', values.connections),
};
try {
  demand(['wrk', 'nginx', ...proxies]);
} catch (thrown) {
  misused(thrown instanceof Error ? thrown.message : String(thrown));
}

const workshop = await Workshop.open();
const sections: Section[] = [];
const failed: string[] = [];
const loadBefore = loadavg()[0] ?? 0;
try {
  const backend = await startBackend(workshop);
  for (const row of rows) {
    if (workshop.closing) break;
    try {
      const section = await ROWS[row]?.({ ...options, workshop, backend, proxies, progress });
      if (section === undefined) continue;
      sections.push(section);
      if (!values.json) process.stdout.write(`\n${textOf(section)}\n\n`);
    } catch (thrown) {
      if (workshop.closing) break;
      failed.push(`${row}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
      progress(failed.at(-1) ?? '');
    }
  }
} finally {
  await workshop.close();
}

function textOf({ title, columns, lines, goals }: Section): string {
  const body = lines.map(([name, ...numbers]) => [name, ...numbers.map(digits)]);
  return [title, tableOf([columns, ...body]), ...goals.map(goalText)].join('\n');
}

const goals = sections.flatMap((section) => section.goals);
const missed = goals.filter((goal) => judge(goal) === 'missed');
const machine = {
  node: process.version,
  cpu: cpus()[0]?.model ?? '',
  cores: cpus().length,
  load: [loadBefore, loadavg()[0] ?? 0],
};
if (values.json) {
  const judged = goals.map((goal) => ({ ...goal, result: judge(goal) }));
  process.stdout.write(`${JSON.stringify({ machine, ...options, rows: sections, goals: judged, failed })}\n`);
} else {
  const { node, cpu, cores, load } = machine;
  process.stdout.write(
    `Node ${node}, ${cores} cores (${cpu}), load ${load.map((one) => one.toFixed(1)).join(' to ')}\n`,
  );
  process.stdout.write(`${missed.length} of ${goals.length} goals missed.\n`);
}
for (const why of failed) process.stderr.write(`${why}\n`);
process.exitCode = failed.length > 0 ? 1 : missed.length > 0 ? MISSED : 0;
