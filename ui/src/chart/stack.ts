// Turns buckets of counts into the columns that the chart draws.
import { severities, type Bucket, type Severity } from '../api/model'

export interface Stacked {
  times: number[] // seconds
  /** For each severity from least to most: the count with all lesser ones added. */
  tops: number[][]
  counts: Record<Severity, number>[]
  total: number
}

/** Buckets with every step from first to last, in the order of time. */
export function stack(buckets: Bucket[], from: number, to: number, step: number): Stacked {
  const byTime = new Map(buckets.map((b) => [Math.round(Date.parse(b.time) / 1000 / step), b.counts]))
  const out: Stacked = { times: [], tops: severities.map(() => []), counts: [], total: 0 }
  for (let slot = Math.floor(from / step); slot * step < to; slot++) {
    const found = byTime.get(slot) ?? {}
    const counts = { info: 0, low: 0, medium: 0, high: 0, critical: 0, ...found }
    let sum = 0
    severities.forEach((s, i) => out.tops[i]?.push((sum += counts[s])))
    out.times.push(slot * step)
    out.counts.push(counts)
    out.total += sum
  }
  return out
}
