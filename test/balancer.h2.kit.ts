import {
  connect,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
} from 'node:http2';
import type { TestContext } from 'node:test';
import type { EdgeOptions } from '../src/balancer/edge-options.ts';
import { tlsBalancer, type EdgeBench } from './balancer.edge.kit.ts';

/** Clients of node:http2 before a balancer. */

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly trailers: IncomingHttpHeaders;
  readonly interim: readonly number[];
}

/** All of one answer; rejects where the stream is reset before its end. */
export function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let headers: IncomingHttpHeaders = {};
    let trailers: IncomingHttpHeaders = {};
    const interim: number[] = [];
    let body = '';
    stream.on('headers', (fields) => void interim.push(Number(fields[':status'])));
    stream.on('response', (fields) => {
      headers = fields;
    });
    stream.on('trailers', (fields) => {
      trailers = fields;
    });
    stream.on('data', (bytes: Buffer) => {
      body += bytes.toString('latin1');
    });
    stream.on('error', reject);
    stream.on('close', () => {
      if (stream.rstCode !== 0) reject(new Error(`reset ${stream.rstCode}`));
      else resolve({ status: Number(headers[':status']), headers, body, trailers, interim });
    });
  });
}

export async function session(t: TestContext, bench: EdgeBench, ca: string): Promise<ClientHttp2Session> {
  const client = connect(`https://127.0.0.1:${bench.balancer.port}`, { ca, servername: 'kelana.test' });
  t.after(() => client.destroy());
  client.on('error', () => {});
  await new Promise((resolve) => {
    client.once('connect', resolve);
  });
  return client;
}

export interface Setting {
  readonly bench: EdgeBench;
  readonly client: ClientHttp2Session;
  readonly ca: string;
}

export async function over(
  t: TestContext,
  back: { readonly url: string },
  edges: EdgeOptions = {},
): Promise<Setting> {
  const { bench, ca } = await tlsBalancer(t, edges, back.url);
  return { bench, ca, client: await session(t, bench, ca) };
}

export const ask = (
  client: ClientHttp2Session,
  fields: Record<string, string | string[]> = {},
): ClientHttp2Stream => client.request({ ':authority': 'kelana.test', ':path': '/', ...fields });
