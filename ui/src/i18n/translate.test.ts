import { describe, expect, test } from 'vitest'
import { chooseLang, en, ja, names, translate, type Key } from './translate'

describe('the dictionaries', () => {
  test('hold the same keys', () => {
    expect(Object.keys(ja).sort()).toEqual(Object.keys(en).sort())
  })
  test('want the same names in each sentence', () => {
    const differ = (Object.keys(en) as Key[]).filter((k) => names(en[k]).join() !== names(ja[k]).join())
    expect(differ).toEqual([])
  })
  test('leave no sentence empty', () => {
    for (const book of [en, ja]) expect(Object.entries(book).filter(([, v]) => v.trim() === '')).toEqual([])
  })
  test('say Japanese in Japanese', () => {
    // Names, codes and query text are the same in both languages; a sentence is not.
    const same = (Object.keys(en) as Key[]).filter((k) => en[k] === ja[k])
    expect(same.sort()).toEqual(['observable.ja4', 'observable.md5', 'observable.sha1', 'observable.sha256', 'observable.url', 'query.placeholder', 'shape.any', 'yard.gap'])
  })
})

describe('translate', () => {
  test('puts values in place', () => {
    expect(translate('en', 'yard.coverage', { active: 3, total: 5 })).toBe('3 of 5 protections at work')
    expect(translate('ja', 'yard.coverage', { active: 3, total: 5 })).toBe('保護 3/5 が稼働')
  })
  test('keeps a name without a value, and values that look like names or patterns', () => {
    expect(translate('en', 'policy.line', {})).toBe('Line {n}')
    expect(translate('en', 'policy.line', { n: '{n} $1' })).toBe('Line {n} $1')
  })
})

test.each([
  ['ja', ['en-GB'], 'ja'],
  [null, ['fr-FR', 'ja-JP', 'en'], 'ja'],
  [null, ['en-US', 'ja'], 'en'],
  [null, ['fr'], 'en'],
  ['xx', [], 'en'],
] as const)('chooseLang(%s, %s) is %s', (choice, browser, want) => {
  expect(chooseLang(choice, browser)).toBe(want)
})
