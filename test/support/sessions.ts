import type { BlockSession } from '../../src/core/transfer/ports.ts';

/** The same session, but for how it brings blocks. */
export function withBlocks(session: BlockSession, block: BlockSession['block']): BlockSession {
  return {
    peer: session.peer,
    label: session.label,
    via: session.via,
    block,
    manifest: (cid) => session.manifest(cid),
    nodes: (cid, take) => session.nodes(cid, take),
    node: (cid, number) => session.node(cid, number),
    root: (cid) => session.root(cid),
    have: (cid) => session.have(cid),
    close: () => session.close(),
    abort: (why) => session.abort(why),
  };
}
