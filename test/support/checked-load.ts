import { connect, type Socket } from 'node:net';
import { ResponseParser } from '../../src/core/http/parser.ts';

const LIMITS = { maxHeadBytes: 65_536, maxHeaders: 200, maxExtensionBytes: 1024 };
/** ms a request may take before it counts as failed. */
const DEADLINE_MS = 10_000;

/** What came of a load: every request is in exactly one of `ok` and `failed`. */
export interface LoadReport {
  readonly safe: { ok: number; failed: string[] };
  readonly unsafe: { ok: number; failed: number };
  /** Answers that were not the request's own, and bytes that belong to no request. */
  readonly mixed: string[];
  /** Keys of all requests that may not be acted on twice. */
  readonly keys: Set<string>;
  /** Connections that were opened. */
  connections: number;
}

interface Answer {
  readonly status: number;
  readonly id: string;
  readonly body: string;
  readonly close: boolean;
}

/**
 * Clients that send one request after another on connections they keep, of which each answer is checked: GETs, which are
 * safe to send again, and POSTs with a key of their own, which are not. No client sends anything twice by itself.
 */
export async function checkedLoad(port: number, clients: number, stop: AbortSignal): Promise<LoadReport> {
  const report: LoadReport = {
    safe: { ok: 0, failed: [] },
    unsafe: { ok: 0, failed: 0 },
    mixed: [],
    keys: new Set(),
    connections: 0,
  };
  await Promise.all(Array.from({ length: clients }, (_, at) => oneClient(port, at, stop, report)));
  return report;
}

async function oneClient(port: number, at: number, stop: AbortSignal, report: LoadReport): Promise<void> {
  let connection: Connection | null = null;
  for (let count = 0; !stop.aborted; count += 1) {
    const id = `c${at}-${count}`;
    const unsafe = count % 5 === 4;
    const wait = count % 7 === 0 ? 20 + ((count * 13) % 100) : 0;
    if (connection === null || connection.over) {
      connection = new Connection(port, report);
      report.connections += 1;
    }
    if (unsafe) report.keys.add(id);
    const outcome = await connection.ask(id, unsafe, wait);
    const wanted = `${id} ${unsafe ? `body of ${id}` : ''} ${'.'.repeat(id.length * 7)}`;
    if (typeof outcome === 'string' || outcome.status !== 200) {
      const why = typeof outcome === 'string' ? outcome : `status ${outcome.status}: ${outcome.body}`;
      if (unsafe) report.unsafe.failed += 1;
      else report.safe.failed.push(`${id}: ${why}`);
    } else if (outcome.id !== id || outcome.body !== wanted) {
      report.mixed.push(`${id}: got ${outcome.id} with ${JSON.stringify(outcome.body.slice(0, 80))}`);
    } else if (unsafe) report.unsafe.ok += 1;
    else report.safe.ok += 1;
    if (typeof outcome === 'string' || outcome.close) {
      connection.end();
      connection = null;
    }
    // Between two requests they idle, so that some connections do whenever something happens.
    await pause(count % 11 === 10 ? 100 : 10 + (count % 3) * 10);
  }
  connection?.end();
}

class Connection {
  over = false;
  readonly #socket: Socket;
  readonly #parser = new ResponseParser(LIMITS);
  readonly #report: LoadReport;
  #settle: ((outcome: Answer | string) => void) | null = null;
  #status = 0;
  #id = '';
  #body = '';
  #close = false;

  constructor(port: number, report: LoadReport) {
    this.#report = report;
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (bytes: Buffer) => this.#read(bytes));
    this.#socket.on('error', (error) => this.#finish(`broke: ${error.message}`));
    this.#socket.on('close', () => this.#finish('closed without an answer'));
  }

  async ask(id: string, unsafe: boolean, wait: number): Promise<Answer | string> {
    const body = unsafe ? `body of ${id}` : '';
    const method = unsafe ? 'POST' : 'GET';
    const fields = `Host: test\r\nX-Id: ${id}\r\nX-Wait: ${wait}\r\n`;
    const length = unsafe ? `Content-Length: ${body.length}\r\n` : '';
    const outcome = new Promise<Answer | string>((resolve) => {
      this.#settle = resolve;
    });
    const timer = setTimeout(() => this.#finish('no answer in time'), DEADLINE_MS);
    this.#parser.expect(method);
    this.#socket.write(`${method} /${id} HTTP/1.1\r\n${fields}${length}\r\n${body}`, 'latin1');
    const answer = await outcome;
    clearTimeout(timer);
    return answer;
  }

  end(): void {
    this.over = true;
    this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    if (this.#settle === null) {
      this.#report.mixed.push(`bytes for no request: ${bytes.toString('latin1').slice(0, 80)}`);
      this.end();
      return;
    }
    this.#parser.push(bytes);
    for (let event = this.#parser.next(); event !== undefined; event = this.#parser.next()) {
      if (event.type === 'head') {
        this.#status = event.head.status;
        this.#id = event.head.fields.find(({ name }) => name === 'x-id')?.value ?? '';
        this.#close = !event.head.keepAlive;
        this.#body = '';
      } else if (event.type === 'body') this.#body += Buffer.from(event.bytes).toString('latin1');
      else if (event.type === 'end') {
        if (this.#parser.buffered > 0) this.#report.mixed.push(`bytes after the answer of ${this.#id}`);
        this.#finish({ status: this.#status, id: this.#id, body: this.#body, close: this.#close });
      } else if (event.type === 'error') {
        this.#report.mixed.push(`not HTTP: ${event.problem.why}`);
        this.#finish('not HTTP');
      }
    }
  }

  #finish(outcome: Answer | string): void {
    if (typeof outcome === 'string') this.over = true;
    const settle = this.#settle;
    this.#settle = null;
    settle?.(outcome);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
