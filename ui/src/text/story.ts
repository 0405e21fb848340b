// Sentences for what comes as data: story lines, events, incidents.
import { en, isKey, names, translate, type Lang } from '../i18n/translate'
import type { Event, Incident, StoryLine } from '../api/model'
import { readShape, shapeWords } from './shape'
import { bitRate, short, whole } from './units'

/** Gives a device or part its name; the ID when it has none. */
export type Namer = (id: string) => string

/** Who speaks in a story line: it decides the mark beside it. */
export type Source = 'agent' | 'gate' | 'control' | 'person'

const sources: Record<string, Source> = {
  'flood.seen.agent': 'agent',
  'process.killed': 'agent',
  'flood.seen.gate': 'gate',
  'action.applied': 'gate',
  'action.failed': 'gate',
  'flood.ended': 'gate',
  'action.undone': 'person',
  'action.approved': 'person',
  'file.changed': 'agent',
  'incident.closed': 'person',
}

export function sourceOf(line: StoryLine): Source {
  const part = line.params?.part ?? ''
  if (part.startsWith('agent-')) return 'agent'
  if (part.startsWith('gate-')) return 'gate'
  return sources[line.code] ?? 'control'
}

/** A story line in the reader's language, or its own text when the code or a value is unknown. */
export function storyWords(line: StoryLine, lang: Lang, name: Namer): string {
  const key = `story.${line.code}${line.params?.process && line.code.startsWith('action.') ? '.process' : ''}`
  if (!isKey(key)) return line.text || line.code
  const values: Record<string, string> = {}
  for (const [k, v] of Object.entries(line.params ?? {})) values[k] = valueWords(k, v, lang, name)
  if (names(en[key]).some((n) => !values[n])) return line.text || line.code
  return translate(lang, key, values)
}

function valueWords(key: string, value: string, lang: Lang, name: Namer): string {
  switch (key) {
    case 'device':
    case 'part':
      return name(value)
    case 'pps':
    case 'packets':
    case 'after_ms':
      return Number.isFinite(Number(value)) ? whole(Number(value), lang) : value
    case 'vector':
      return vectorWords(value, lang)
    case 'shape':
      return shapeValue(value, lang)
    case 'kind':
      return isKey(`action.kind.${value}`) ? translate(lang, `action.kind.${value}` as 'action.kind.drop') : value
    case 'scope':
      return scopeValue(value, lang, name)
    default:
      return value
  }
}

function shapeValue(text: string, lang: Lang): string {
  const shape = readShape(text)
  return shape ? shapeWords(shape, lang) : text
}

function scopeValue(value: string, lang: Lang, name: Namer): string {
  if (value === '' || value === 'all' || value === 'all devices') return translate(lang, 'scope.all')
  return name(value)
}

export function vectorWords(vector: string, lang: Lang): string {
  const key = `vector.${vector}`
  return isKey(key) ? translate(lang, key) : vector
}

/** The incident's title in the reader's language. */
export function incidentTitle(i: Incident, lang: Lang): string {
  if (i.kind === 'ddos.outbound') {
    const target = i.target || translate(lang, 'incident.unknown_target')
    return translate(lang, 'incident.title.ddos', { vector: vectorWords(i.vector, lang), target })
  }
  if (i.kind === 'reputation.contact') return translate(lang, 'incident.title.contact', { target: i.target })
  if (i.kind === 'file.tamper') return translate(lang, 'incident.title.tamper', { target: i.target })
  return i.title
}

/** What an event means. English keeps the words of the part that saw it. */
export function explain(e: Event, lang: Lang, name: Namer): string {
  if (lang === 'en' && e.explanation) return e.explanation
  const key = `explain.${about(e)}`
  if (!isKey(key)) return e.explanation || e.subject
  return translate(lang, key, {
    device: e.device ? name(e.device) : name(e.reporter),
    part: name(e.reporter),
    subject: shapeValue(e.subject, lang),
    count: e.count,
    ...floodValues(e, lang),
    path: e.file?.path ?? e.process?.path ?? e.subject,
    by: e.file?.by || translate(lang, 'explain.someone'),
    object: objectWords(e, lang),
    protocol: service(e),
  })
}

/** What an event's sentences are filed under: its kind, unless its rule or what it knows tells more. */
function about(e: Event): string {
  if (e.rule === 'reputation.lookback') return e.rule
  if (e.kind === 'contact' && (e.rule === 'contact.in' || e.rule === 'contact.more')) return e.rule
  return e.kind.startsWith('reputation.') && e.process ? `${e.kind}.process` : e.kind
}

/** What was met, with what it is: "URL http://…". */
function objectWords(e: Event, lang: Lang): string {
  const o = e.observables?.[0]
  const key = `observable.${o?.type}`
  return o && isKey(key) && !['ip', 'domain'].includes(o.type) ? `${translate(lang, key)} ${o.value}` : (o?.value ?? e.subject)
}

/** How traffic was carried: "tcp/443". */
function service(e: Event): string {
  const of = (type: string) => e.observables?.find((o) => o.type === type)?.value
  return [of('protocol'), of('port')].filter(Boolean).join('/') || '–'
}

function floodValues(e: Event, lang: Lang): Record<string, string> {
  if (!e.flood) return {}
  return {
    vector: vectorWords(e.flood.vector, lang),
    shape: shapeWords(e.flood.shape, lang),
    pps: short(e.flood.pps),
    rate: bitRate(e.flood.bps),
    baseline: short(e.flood.baseline_pps),
  }
}

/** The inspection rule of an event: its number and revision, and what it says of the traffic. */
export interface FiredRule {
  sid: string
  revision: string
  classification: string
  protocol: string
}

/** Reads the rule that an event of the inspection names; undefined for other events. */
export function firedRule(e: Event): FiredRule | undefined {
  const [gid, sid, revision] = e.rule?.split(':') ?? []
  if (!e.kind.startsWith('intrusion.') || !gid || !sid || !revision) return undefined
  const of = (type: string) => e.observables?.find((o) => o.type === type)?.value ?? ''
  return { sid: gid === '1' ? sid : `${gid}:${sid}`, revision, classification: of('class'), protocol: of('protocol') }
}

/** What to do about an event; empty when there is nothing to say. */
export function advise(e: Event, lang: Lang): string {
  if (lang === 'en' && e.advice) return e.advice
  const key = `advice.${about(e)}`
  return isKey(key) ? translate(lang, key) : (e.advice ?? '')
}
