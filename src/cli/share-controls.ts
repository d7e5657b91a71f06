import { setTimeout as sleep } from 'node:timers/promises';
import type { NodeControls, ShareEvent, ShareRow } from '../control/server.ts';
import { KelanaError } from '../core/errors.ts';
import type { Library } from '../library/library.ts';
import type { Shares } from '../library/shares.ts';

/** ms between two reports of a scan: ten a second look smooth and cost nothing. */
const PROGRESS_MS = 100;

/** What `kelana share` and `kelana unshare` ask of a node: its library, and the list that outlives it. */
export function shareControls(
  library: Library,
  shares: Shares,
): Pick<NodeControls, 'shares' | 'share' | 'unshare'> {
  const rows = (): readonly ShareRow[] => {
    const roots = library.roots();
    const sums = new Map(roots.map(({ path }) => [path, { files: 0, bytes: 0 }]));
    for (const { root, size } of library.entries()) {
      const sum = sums.get(root);
      if (sum === undefined) continue;
      sum.files += 1;
      sum.bytes += size;
    }
    return roots.map(({ path, missing }) => ({
      path,
      missing,
      kept: shares.has(path),
      ...(sums.get(path) ?? { files: 0, bytes: 0 }),
      cid: library.cidAt(path),
    }));
  };
  return {
    shares: rows,
    async *share(path, signal): AsyncGenerator<ShareEvent> {
      let key: string | undefined;
      const scanned = library.addRoot(path, async (added) => {
        key = added;
        await shares.add(added);
      });
      // Awaited below; until then a failure must not count as unhandled.
      const state = { done: false };
      const done = scanned.then(
        () => (state.done = true),
        () => (state.done = true),
      );
      while (!state.done && !signal.aborted) {
        await Promise.race([done, sleep(PROGRESS_MS, undefined, { ref: false })]);
        const progress = library.progress();
        if (!state.done && progress !== null) yield { type: 'scan', ...progress };
      }
      if (signal.aborted) return;
      await scanned;
      const row = rows().find((one) => one.path === key);
      if (row === undefined) throw new KelanaError('SHARE_ENDED', { path });
      yield { type: 'shared', ...row };
    },
    async unshare(path) {
      const named = library.roots().find((root) => root.path === path)?.path;
      const gone = await library.removeRoot(path);
      const kept = await shares.remove(gone ?? named ?? path);
      const returns = gone !== null && library.given.has(gone);
      return { path: gone ?? path, removed: gone !== null || kept, returns };
    },
  };
}
