// What a change of reputation is asked about: the form's state, the question
// that it asks, and where a link puts it.
import type { WhatIfQuestion } from '../api/calls'

export const changes = ['list', 'held', 'without', 'score'] as const
export type Change = (typeof changes)[number]

export interface Asked {
  change: Change
  /** The feed of held, the source of without, the feed that a list would replace. */
  feed: string
  text: string
  file: Blob | undefined
  kind: string
  trust: number
  owner: string
  format: string
  /** 0: as now. */
  score: number
  hours: number
}

export const fresh: Asked = { change: 'list', feed: '', text: '', file: undefined, kind: 'suspicious', trust: 50, owner: '', format: '', score: 0, hours: 24 }

/** What the address asks: ?held=NAME, ?without=NAME, ?score=N. */
export function fromAddress(q: URLSearchParams): Asked {
  for (const change of ['held', 'without'] as const) {
    const feed = q.get(change)
    if (feed) return { ...fresh, change, feed }
  }
  const score = Number(q.get('score'))
  return Number.isInteger(score) && score > 0 && score <= 100 ? { ...fresh, change: 'score', score } : fresh
}

/** Whether enough is said to ask. */
export function complete(a: Asked): boolean {
  switch (a.change) {
    case 'list':
      return a.file !== undefined || a.text.trim() !== ''
    case 'score':
      return a.score > 0
    default:
      return a.feed !== ''
  }
}

/** The question's parameters and its list. */
export function question(a: Asked): { query: WhatIfQuestion; list?: Blob } {
  const query: WhatIfQuestion = { hours: a.hours, ...(a.score > 0 && { score: a.score }) }
  if (a.change === 'held') return { query: { ...query, held: a.feed } }
  if (a.change === 'without') return { query: { ...query, without: a.feed } }
  if (a.change === 'score') return { query }
  const list = a.file ?? new Blob([a.text])
  return { query: { ...query, kind: a.kind, trust: a.trust, ...(a.feed && { name: a.feed }), ...(a.owner && { owner: a.owner }), ...(a.format && { format: a.format }) }, list }
}
