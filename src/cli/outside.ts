import type { GetEvent } from '../control/operations.ts';

/**
 * The same events without hits that lie in a folder which is a hit too: words that name a folder stand in the path of
 * every file below it, and who fetches the folder wants none of them by itself. Hits with a folder in their name wait for
 * the verdict, or for what comes after the search, as their folder may be heard of after them; a search bounds its hits.
 */
export async function* outside(events: AsyncIterable<GetEvent>): AsyncGenerator<GetEvent> {
  const folders: string[] = [];
  const inside = ({ name }: { readonly name: string }): boolean =>
    folders.some((folder) => name.startsWith(`${folder}/`));
  let held: Extract<GetEvent, { type: 'hit' | 'provider' }>[] = [];
  for await (const event of events) {
    if (event.type === 'hit' || event.type === 'provider') {
      if (event.name.includes('/')) held.push(event);
      else yield event;
      if (event.type === 'hit' && event.kind === 'folder') folders.push(event.name);
      continue;
    }
    if (event.type !== 'step') {
      yield* held.filter((hit) => !inside(hit));
      held = [];
    }
    yield event;
  }
}
