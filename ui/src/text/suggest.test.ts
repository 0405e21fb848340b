import { describe, expect, test } from 'vitest'
import { suggest, withCondition } from './suggest'

const labels = (text: string, caret = text.length, devices: string[] = []) => suggest(text, caret, devices).map((c) => c.label)

describe('the query box completes', () => {
  test('fields at the beginning and while a word is typed', () => {
    expect(labels('')).toContain('severity:')
    expect(labels('sev')).toEqual(['severity:'])
    expect(labels('layer:network re')).toEqual(['reporter:'])
  })
  test('nothing after a blank, so that Enter searches', () => {
    expect(labels('layer:network ')).toEqual([])
  })
  test('values of a field, also with a comparison', () => {
    expect(labels('layer:')).toEqual(['device', 'network', 'control', 'data'])
    expect(labels('severity:>=h')).toEqual(['>=high'])
    expect(labels('device:mac-02', undefined, ['mac-020000000a01', 'mac-030000000a01'])).toEqual(['mac-020000000a01'])
  })
  test('after a minus and in parentheses', () => {
    expect(labels('-lay')).toEqual(['layer:'])
    expect(labels('(kind:flood.o')).toEqual(['flood.outbound'])
  })
  test('not inside quotes, and not what is complete', () => {
    expect(labels('subject:"sev')).toEqual([])
    expect(labels('layer:network')).toEqual([])
  })
  test('in the middle, leaving what follows', () => {
    const [c] = suggest('sev layer:data', 3)
    expect(c).toMatchObject({ text: 'severity: layer:data', caret: 9 })
    const [v] = suggest('layer:net since:1h', 9)
    expect(v).toMatchObject({ text: 'layer:network since:1h', caret: 13 })
  })
})

test('a quick filter is added once', () => {
  expect(withCondition('', 'layer:data')).toBe('layer:data')
  expect(withCondition('a  b', 'layer:data')).toBe('a b layer:data')
  expect(withCondition('a layer:data', 'layer:data')).toBe('a layer:data')
})
