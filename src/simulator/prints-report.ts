import { seededRandom } from '../core/random.ts';
import { encodePrints, probeOf, Prints } from '../core/search/prints.ts';
import { mix } from './hash.ts';
import { Keywords } from './keywords.ts';
import { Libraries } from './libraries.ts';

export interface PrintsReport {
  readonly files: number;
  readonly bytesMean: number;
  /** Probes of nodes that hold no match. */
  readonly probes: number;
  readonly falsePositives: number;
  /** Must be 0: a node that holds a match and whose prints deny it. */
  readonly falseNegatives: number;
}

/** Encodes real prints of some nodes' libraries and holds them against keyword queries. */
export function printsReport(nodes: number, sample: number, queries: number, seed: number): PrintsReport {
  const libraries = new Libraries(nodes, seed);
  const keywords = new Keywords(libraries, 0.25, seed);
  const random = seededRandom(mix(seed, sample, 0x9717));
  const report = { files: 0, bytesMean: 0, probes: 0, falsePositives: 0, falseNegatives: 0 };
  const printed = Array.from({ length: sample }, () => {
    const node = Math.floor(random() * nodes);
    const library = libraries.library(node);
    const encoded = encodePrints(library);
    report.files += library.length / sample;
    report.bytesMean += encoded.segments.reduce((sum, { length }) => sum + length, 0) / sample;
    return { node, prints: Prints.open(encoded) };
  });
  for (let number = 0; number < queries; number += 1) {
    const { query, holders } = keywords.question(number);
    if (query.kind !== 'words') continue;
    const probe = probeOf({ words: query.words, cid: null });
    const held = new Set(holders);
    for (const { node, prints } of printed) {
      const says = prints.mayHold(probe);
      if (held.has(node)) report.falseNegatives += says ? 0 : 1;
      else {
        report.probes += 1;
        report.falsePositives += says ? 1 : 0;
      }
    }
  }
  return report;
}
