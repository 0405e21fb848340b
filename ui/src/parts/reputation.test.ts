import { fireEvent, render, screen } from '@testing-library/svelte'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import type { Feed, Verdict } from '../api/model'
import { language } from '../i18n/lang.svelte'
import { session } from '../shell/session.svelte'
import FeedList from './FeedList.svelte'
import VerdictPanel from './VerdictPanel.svelte'

beforeEach(() => {
  language.choose('en')
  session.enter('aya', 'operator')
})

const verdict: Verdict = {
  object: '198.51.100.7', match: '198.51.100.0/24', score: 93, band: 'certain', kind: 'c2', confidence: 80, words: 'It is listed as c2.',
  reasons: [{ source: 'botnet-c2', owner: 'Example CERT', kind: 'c2', note: 'family: mirai', weight: 84 }],
}
const feed: Feed = {
  name: 'bad-names', owner: 'Names Project', format: 'plain', place: 'https://feeds.example/a', licence: '', trust: 70, kind: 'malware', state: 'held', problem: '98 % fewer entries', interval_s: 3600, entries: 61_870, read: 1204, refused: 1,
  added: 0, removed: 0, overlap: 111, overlaps: [{ source: 'other', entries: 111 }], hits: 0, refusals: [{ line: 17, text: '300.1.1.1', problem: 'is no address' }],
}

describe('a verdict', () => {
  test('shows score, meaning and reasons, and is decided by one click', async () => {
    const onlist = vi.fn()
    render(VerdictPanel, { verdict, entries: [], busy: false, onlist, ondrop: vi.fn(), onreport: vi.fn() })
    expect(screen.getByLabelText('Score 93 of 100')).toBeTruthy()
    expect(screen.getByText('blocked everywhere')).toBeTruthy()
    expect(screen.getByText('It is listed as c2.')).toBeTruthy()
    expect(screen.getByText('family: mirai')).toBeTruthy()
    await fireEvent.click(screen.getByRole('button', { name: 'Always deny' }))
    expect(onlist).toHaveBeenCalledExactlyOnceWith('198.51.100.7', 'deny')
  })
  test('that an own entry decides can be taken back under the entry’s own name', async () => {
    const ondrop = vi.fn()
    const own: Verdict = { ...verdict, object: 'a.example.net', match: '*.example.net', local: 'deny' }
    render(VerdictPanel, { verdict: own, entries: [{ object: 'example.net', list: 'deny' }], busy: false, onlist: vi.fn(), ondrop, onreport: vi.fn() })
    expect(screen.queryByRole('button', { name: 'Always deny' })).toBeNull()
    await fireEvent.click(screen.getByRole('button', { name: 'Take off the list' }))
    expect(ondrop).toHaveBeenCalledExactlyOnceWith('example.net')
  })
  test('gives a viewer nothing to press', () => {
    session.enter('ren', 'viewer')
    render(VerdictPanel, { verdict, entries: [], busy: false, onlist: vi.fn(), ondrop: vi.fn(), onreport: vi.fn() })
    expect(screen.queryAllByRole('button')).toHaveLength(0)
  })
})

describe('the feeds', () => {
  test('say why one is held back, what was refused and what is shared', () => {
    render(FeedList, { feeds: [feed], busy: '', onfetch: vi.fn(), onrelease: vi.fn() })
    expect(screen.getByText('Held back')).toBeTruthy()
    expect(screen.getByText('98 % fewer entries')).toBeTruthy()
    expect(screen.getByText('300.1.1.1')).toBeTruthy()
    expect(screen.getByText(/other \(111 entries\)/)).toBeTruthy()
  })
  test('are applied by admins and fetched by operators', async () => {
    const onfetch = vi.fn()
    render(FeedList, { feeds: [feed], busy: '', onfetch, onrelease: vi.fn() })
    expect(screen.queryByRole('button', { name: 'Apply…' })).toBeNull()
    await fireEvent.click(screen.getByRole('button', { name: 'Fetch now' }))
    expect(onfetch).toHaveBeenCalledExactlyOnceWith('bad-names')
  })
  test('without any, say where they come from', () => {
    render(FeedList, { feeds: [], busy: '', onfetch: vi.fn(), onrelease: vi.fn() })
    expect(screen.getByText(/reputation\.feeds/)).toBeTruthy()
  })
})
