// How much of each feed other feeds list as well.
import type { Feed } from '../api/model'

export interface Row {
  feed: Feed
  /** Entries shared with the feed of each column; undefined where it is the feed itself. */
  shared: (number | undefined)[]
}

/** The feeds that share most, at most n, each against each. A pair that neither feed names among its largest shares is 0. */
export function matrix(feeds: Feed[], n: number): { columns: string[]; rows: Row[] } {
  const sharing = (f: Feed) => f.overlaps.reduce((sum, o) => sum + o.entries, 0)
  const some = feeds
    .filter((f) => f.entries > 0 && (f.overlaps.length > 0 || feeds.some((g) => g.overlaps.some((o) => o.source === f.name))))
    .sort((a, b) => sharing(b) - sharing(a))
    .slice(0, n)
  const of = (a: Feed, b: Feed) => a.overlaps.find((o) => o.source === b.name)?.entries ?? b.overlaps.find((o) => o.source === a.name)?.entries ?? 0
  return { columns: some.map((f) => f.name), rows: some.map((a) => ({ feed: a, shared: some.map((b) => (a === b ? undefined : of(a, b))) })) }
}

/** A part of a whole in percent: "0", "<1", "17", ">99", "100". */
export function percent(part: number, whole: number): string {
  if (part <= 0 || whole <= 0) return '0'
  if (part >= whole) return '100'
  const p = (100 * part) / whole
  return p < 1 ? '<1' : p > 99 ? '>99' : p.toFixed(0)
}

/** How dark a cell is: 0 nothing shared, 4 nearly all. */
export function level(part: number, whole: number): 0 | 1 | 2 | 3 | 4 {
  if (part <= 0 || whole <= 0) return 0
  const p = part / whole
  return p < 0.1 ? 1 : p < 0.4 ? 2 : p < 0.8 ? 3 : 4
}
