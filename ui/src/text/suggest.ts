// Completes what is being typed into the query box.
import { layers, severities } from '../api/model'

/** The fields of the query language that people use most, in that order. */
export const fields = ['severity', 'layer', 'device', 'kind', 'since', 'subject', 'rule', 'reporter', 'ip', 'port', 'domain', 'url', 'path', 'sha256', 'sha1', 'md5', 'ja4', 'certificate', 'protocol', 'class', 'technique']

const kinds = [
  'flood.outbound', 'flood.ended', 'spoof.source', 'intrusion.detected', 'intrusion.blocked', 'reputation.seen', 'reputation.blocked', 'contact', 'process.start', 'process.killed', 'file.changed', 'device.seen',
  'part.started', 'part.degraded', 'spool.dropped', 'action.applied', 'action.failed', 'login.failed', 'enroll.refused',
  'link.refused',
]

const values: Record<string, string[]> = {
  severity: [...severities, ...severities.slice(1).map((s) => `>=${s}`)],
  layer: layers,
  kind: kinds,
  since: ['5m', '15m', '1h', '6h', '24h', '7d'],
}

export interface Completion {
  /** What the list shows. */
  label: string
  /** The whole text once taken, and where the caret goes. */
  text: string
  caret: number
}

/** The word around the caret: from the last blank, parenthesis or minus to the caret. */
function wordAt(text: string, caret: number): { start: number; word: string } {
  const start = Math.max(...[' ', '(', '\t'].map((c) => text.lastIndexOf(c, caret - 1))) + 1
  const minus = text[start] === '-' ? 1 : 0
  return { start: start + minus, word: text.slice(start + minus, caret) }
}

/** At most n completions at the caret; devices are the IDs known now. */
export function suggest(text: string, caret: number, devices: string[] = [], n = 8): Completion[] {
  if ((text.slice(0, caret).match(/"/g)?.length ?? 0) % 2 === 1) return []
  const { start, word } = wordAt(text, caret)
  const colon = word.indexOf(':')
  const rest = text.slice(caret)
  const take = (label: string, insert: string): Completion => {
    const gap = insert.endsWith(':') || rest.startsWith(' ') ? '' : ' '
    return { label, text: text.slice(0, start) + insert + gap + rest, caret: start + insert.length + gap.length }
  }
  if (colon < 0) {
    if (word === '' && text.trim() !== '') return []
    return fields.filter((f) => f.startsWith(word.toLowerCase())).slice(0, n).map((f) => take(`${f}:`, `${f}:`))
  }
  const field = word.slice(0, colon).toLowerCase()
  const typed = word.slice(colon + 1).toLowerCase()
  const list = field === 'device' ? devices : (values[field] ?? [])
  return list
    .filter((v) => v.toLowerCase().startsWith(typed) && v !== typed)
    .slice(0, n)
    .map((v) => take(v, `${field}:${v}`))
}

/** The address of the events with this value in a field. */
export function eventsWith(field: string, value: string): string {
  return `/events?q=${encodeURIComponent(`${field}:"${value}"`)}`
}

/** Adds a condition to a query unless it is there already. */
export function withCondition(query: string, condition: string): string {
  const parts = query.split(/\s+/).filter(Boolean)
  return parts.includes(condition) ? query : [...parts, condition].join(' ')
}
