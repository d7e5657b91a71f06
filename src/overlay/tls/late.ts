import type { ConnectionEncrypter } from '@libp2p/interface';

/**
 * An encrypter whose code is loaded by the first connection that uses it: Noise brings 5 MiB of JavaScript and
 * WebAssembly, and between two kelana nodes TLS is always chosen.
 */
export function lateEncrypter<Components>(
  protocol: string,
  load: () => Promise<(components: Components) => ConnectionEncrypter>,
): (components: Components) => ConnectionEncrypter {
  return (components) => {
    let loading: Promise<ConnectionEncrypter> | undefined;
    const loaded = (): Promise<ConnectionEncrypter> => (loading ??= load().then((make) => make(components)));
    return {
      protocol,
      secureInbound: async (connection, options) => (await loaded()).secureInbound(connection, options),
      secureOutbound: async (connection, options) => (await loaded()).secureOutbound(connection, options),
    };
  };
}
