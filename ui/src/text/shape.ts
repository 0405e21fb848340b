// What an action or an attack is about, in words.
import { translate, type Lang } from '../i18n/translate'
import type { Action, Shape } from '../api/model'

const protocols: Record<number, string> = { 1: 'ICMP', 6: 'TCP', 17: 'UDP', 58: 'ICMPv6' }
const flagNames = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG']

/** 203.0.113.9/32 → 203.0.113.9; a real prefix stays one. */
export function address(prefix: string): string {
  if (prefix.includes(':')) return prefix.replace(/\/128$/, '')
  return prefix.replace(/\/32$/, '')
}

/** The TCP flags that must be set, and with ! those that must not. */
export function flags(set: number, mask: number): string {
  return flagNames
    .map((name, bit) => ({ name, on: set & (1 << bit), asked: mask & (1 << bit) }))
    .filter((f) => f.asked)
    .map((f) => (f.on ? f.name : `!${f.name}`))
    .join(' ')
}

/** "UDP to 203.0.113.9 port 7777, 512–540 bytes" */
export function shapeWords(shape: Shape | undefined, lang: Lang): string {
  const s = shape ?? {}
  const proto = s.proto ? (protocols[s.proto] ?? translate(lang, 'shape.proto', { n: s.proto })) : ''
  const head = [proto || translate(lang, 'shape.traffic'), s.tcp_mask ? flags(s.tcp_flags ?? 0, s.tcp_mask) : '']
    .filter(Boolean)
    .join(' ')
  const extra: string[] = []
  if (s.src_port) extra.push(translate(lang, 'shape.src_port', { port: s.src_port }))
  const size = sizeWords(s, lang)
  if (size) extra.push(size)
  if (s.spoofed) extra.push(translate(lang, 'shape.spoofed'))
  return [toWords(head, s, lang), ...extra].join(translate(lang, 'list.comma'))
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
  if (from && to && from === to) return translate(lang, 'shape.size', { n: from })
  if (from && to) return translate(lang, 'shape.sizes', { from, to })
  if (from) return translate(lang, 'shape.size_min', { n: from })
  if (to) return translate(lang, 'shape.size_max', { n: to })
  return ''
}

/** What an action does: "Drops UDP to 203.0.113.9 port 7777". */
export function actionWords(a: Action, lang: Lang): string {
  const shape = shapeWords(a.shape, lang)
  if (a.kind === 'drop') return translate(lang, 'action.does.drop', { shape })
  if (a.kind === 'rate_limit') return translate(lang, 'action.does.rate_limit', { shape, pps: a.pps ?? 0 })
  const process = a.process ? `${a.process.path} (${a.process.pid})` : '?'
  return translate(lang, 'action.does.kill_process', { process })
}
