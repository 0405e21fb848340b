// What an action or an attack is about, in words.
import { translate, type Lang } from '../i18n/translate'
import type { Action, Shape } from '../api/model'

const protocols: Record<number, string> = { 1: 'ICMP', 2: 'IGMP', 6: 'TCP', 17: 'UDP', 47: 'GRE', 58: 'ICMPv6', 132: 'SCTP' }
const flagNames = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG']

/** 203.0.113.9/32 → 203.0.113.9; a real prefix stays one. */
export function address(prefix: string): string {
  return prefix.replace(prefix.includes(':') ? /\/128$/ : /\/32$/, '')
}

/** The TCP flags that must be set; those that must not when none must. */
function flags(set: number, mask: number, lang: Lang): string {
  const pick = (on: boolean) => flagNames.filter((_, bit) => mask & (1 << bit) && !(set & (1 << bit)) === !on)
  if (pick(true).length) return pick(true).join('+')
  return translate(lang, 'shape.without', { flags: pick(false).join(', ') })
}

/** "UDP to 203.0.113.9 port 7777, 512 to 540 bytes". The English form is the
 * one that the control plane writes (model.Shape.String). */
export function shapeWords(shape: Shape | undefined, lang: Lang): string {
  const s = shape ?? {}
  let what = translate(lang, 'shape.traffic')
  if (s.proto) what = protocols[s.proto] ?? translate(lang, 'shape.proto', { n: s.proto })
  if (s.tcp_mask) what += ` ${flags(s.tcp_flags ?? 0, s.tcp_mask, lang)}`
  if (s.spoofed) what = translate(lang, 'shape.spoofed', { what })
  const from = s.src_port ? translate(lang, 'shape.src_port', { port: s.src_port }) : ''
  return toWords(what, s, lang) + from + sizeWords(s, lang)
}

function toWords(what: string, s: Shape, lang: Lang): string {
  if (s.dst && s.dst_port) return translate(lang, 'shape.to_port', { what, dst: address(s.dst), port: s.dst_port })
  if (s.dst) return translate(lang, 'shape.to', { what, dst: address(s.dst) })
  if (s.dst_port) return translate(lang, 'shape.any_port', { what, port: s.dst_port })
  return translate(lang, 'shape.any', { what })
}

function sizeWords(s: Shape, lang: Lang): string {
  const from = s.len_min ?? 0
  const to = s.len_max ?? 0
  if (from && from === to) return translate(lang, 'shape.size', { n: from })
  if (from && to) return translate(lang, 'shape.sizes', { from, to })
  if (from) return translate(lang, 'shape.size_min', { n: from })
  return to ? translate(lang, 'shape.size_max', { n: to }) : ''
}

const english =
  /^(anything|IP protocol (\d+)|[A-Za-z0-9]+)(?: (without )?((?:[A-Z]{3})(?:(?:\+|, )[A-Z]{3})*))?( from forged sources)?(?: to (\S+?))?(?: port (\d+))?(?: from port (\d+))?(?:, (.*))?$/

/** Reads the English form back, for stories, which carry shapes as text;
 * undefined when it is none. */
export function readShape(text: string): Shape | undefined {
  const m = english.exec(text)
  if (!m) return undefined
  const [, head = '', number, without, flagList, forged, dst, port, srcPort, size] = m
  const proto = number ? Number(number) : Number(Object.entries(protocols).find(([, name]) => name === head)?.[0] ?? 0)
  if (!proto && head !== 'anything') return undefined
  const bits = (flagList ?? '').split(/\+|, /).reduce((n, f) => n | (flagNames.includes(f) ? 1 << flagNames.indexOf(f) : 0), 0)
  const s: Shape = { ...(proto ? { proto } : {}), ...(dst ? { dst } : {}), ...(forged ? { spoofed: true } : {}), ...readSize(size ?? '') }
  if (bits) Object.assign(s, { tcp_mask: bits, tcp_flags: without ? 0 : bits })
  if (port) s.dst_port = Number(port)
  if (srcPort) s.src_port = Number(srcPort)
  return shapeWords(s, 'en') === text ? s : undefined
}

function readSize(text: string): Shape {
  const [a = 0, b = 0] = (text.match(/\d+/g) ?? []).map(Number)
  if (text.includes(' to ')) return { len_min: a, len_max: b }
  if (text.startsWith('at most')) return { len_max: a }
  if (text.endsWith('or more')) return { len_min: a }
  return a ? { len_min: a, len_max: a } : {}
}

/** What an action does: "Drops UDP to 203.0.113.9 port 7777". */
export function actionWords(a: Action, lang: Lang): string {
  const shape = shapeWords(a.shape, lang)
  if (a.kind === 'drop') return translate(lang, 'action.does.drop', { shape })
  if (a.kind === 'rate_limit') return translate(lang, 'action.does.rate_limit', { shape, pps: a.pps ?? 0 })
  const process = a.process ? `${a.process.path} (${a.process.pid})` : '?'
  return translate(lang, 'action.does.kill_process', { process })
}
