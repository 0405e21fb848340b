// Turns a key and its values into a sentence of one language.
import { effect as effectEn } from './effect.en'
import { effect as effectJa } from './effect.ja'
import { pages as pagesEn } from './pages.en'
import { pages as pagesJa } from './pages.ja'
import { reputation as reputationEn } from './reputation.en'
import { reputation as reputationJa } from './reputation.ja'
import { words as wordsEn } from './words.en'
import { words as wordsJa } from './words.ja'

/** The English sentences; the others have the same keys and names in braces. */
export const en = { ...wordsEn, ...pagesEn, ...reputationEn, ...effectEn }
export const ja: Record<keyof typeof en, string> = { ...wordsJa, ...pagesJa, ...reputationJa, ...effectJa }

export type Lang = 'en' | 'ja'
export type Key = keyof typeof en
export type Values = Record<string, string | number>

const books: Record<Lang, Record<Key, string>> = { en, ja }

/** Whether the dictionary holds this key; for keys that are built from data. */
export function isKey(key: string): key is Key {
  return Object.hasOwn(en, key)
}

/** The sentence for key with every {name} replaced; an unknown name stays as it is. */
export function translate(lang: Lang, key: Key, values: Values = {}): string {
  return books[lang][key].replace(/\{(\w+)\}/g, (whole, name: string) =>
    Object.hasOwn(values, name) ? String(values[name]) : whole,
  )
}

/** The names in braces that a sentence wants. */
export function names(sentence: string): string[] {
  return [...sentence.matchAll(/\{(\w+)\}/g)].map((m) => m[1] ?? '').sort()
}

/** The language to use: the person's choice, or what the browser prefers. */
export function chooseLang(choice: string | null, browser: readonly string[]): Lang {
  if (choice === 'ja' || choice === 'en') return choice
  for (const tag of browser) {
    const base = tag.toLowerCase().split('-')[0]
    if (base === 'ja' || base === 'en') return base
  }
  return 'en'
}
