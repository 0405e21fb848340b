import { fireEvent, render, screen } from '@testing-library/svelte'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import type { WhatIf } from '../api/model'
import { language } from '../i18n/lang.svelte'
import { session } from '../shell/session.svelte'
import { fresh } from '../text/whatif'
import HitList from './HitList.svelte'
import MetList from './MetList.svelte'
import ReportDialog from './ReportDialog.svelte'
import ReportList from './ReportList.svelte'
import WhatIfForm from './WhatIfForm.svelte'
import WhatIfResult from './WhatIfResult.svelte'

beforeEach(() => {
  language.choose('en')
  session.enter('aya', 'operator')
})

const none = { contacts: 0, flows: 0, devices: 0 }
const time = '2026-11-23T12:00:00Z'

describe('hits', () => {
  test('of a list say what its record speaks for', () => {
    const source = { source: 'bots', owner: 'CERT', trust: 90, seen: 2, blocked: 1200, devices: 3, objects: 4, last: time, by_day: [{ seen: 2, blocked: 1200 }], record: { open: 1, accepted: 2, rejected: 0, advised_trust: 70 } }
    render(HitList, { days: ['2026-11-23'], sources: [source] })
    expect(screen.getByText('1,200')).toBeTruthy()
    expect(screen.getByText('2 wrong, 0 right, 1 open')).toBeTruthy()
    expect(screen.getByText('trust 70 would fit this record')).toBeTruthy()
    expect(screen.getByRole('img', { name: '2026-11-23: 1,202' })).toBeTruthy()
  })
  test('of an object lead to an entry and to a report, for operators', async () => {
    const object = { object: '*.bad.example', kind: 'c2' as const, score: 90, seen: 0, blocked: 3, devices: 1, sources: ['bots'], last: time }
    const onallow = vi.fn()
    const onreport = vi.fn()
    const { unmount } = render(MetList, { objects: [object], busy: false, onallow, onreport })
    await fireEvent.click(screen.getByRole('button', { name: /Always allow/ }))
    await fireEvent.click(screen.getByRole('button', { name: /Report false alarm/ }))
    expect(onallow).toHaveBeenCalledExactlyOnceWith('*.bad.example')
    expect(onreport).toHaveBeenCalledExactlyOnceWith('*.bad.example')
    unmount()
    session.enter('ren', 'viewer')
    render(MetList, { objects: [object], busy: false, onallow, onreport })
    expect(screen.queryAllByRole('button')).toHaveLength(0)
  })
})

describe('reports', () => {
  test('are sent with a note, and allow at once when ticked', async () => {
    const work = vi.fn(() => Promise.resolve())
    const onclose = vi.fn()
    render(ReportDialog, { title: 'T', text: 'x', yes: 'Report', done: 'd', allowing: true, work, onclose })
    await fireEvent.input(screen.getByLabelText('Why it is harmless'), { target: { value: ' ours ' } })
    await fireEvent.click(screen.getByRole('checkbox'))
    await fireEvent.click(screen.getByRole('button', { name: 'Report' }))
    expect(work).toHaveBeenCalledExactlyOnceWith('ours', true)
    await vi.waitFor(() => expect(onclose).toHaveBeenCalled())
  })
  test('that are decided say by whom and can be opened again', () => {
    const report = { id: '1', object: 'a.example', by: 'user:ren', time, state: 'rejected' as const, score: 80, kind: 'c2' as const, sources: ['bots'], answer: 'seen twice', decider: 'user:aya', decided: time }
    render(ReportList, { reports: [report], onchange: vi.fn() })
    expect(screen.getByText(/decided by aya/)).toBeTruthy()
    expect(screen.getByText(/seen twice/)).toBeTruthy()
    expect(screen.getByRole('button', { name: /Open again/ })).toBeTruthy()
  })
})

describe('what if', () => {
  const result: WhatIf = {
    question: 'list', from: time, to: time, score_now: 75, score_then: 60, entries: 3, refused: 1, suspect: 'lists 2 of your own addresses or names', all: { contacts: 9, flows: 90, devices: 3 }, now: none,
    then: { contacts: 1, flows: 7, devices: 2 }, more: { contacts: 1, flows: 7, devices: 2 }, less: none,
    top: [{ remote: 'a.example', object: '*.example', kind: 'bot', score_now: 0, score_then: 80, blocked: true, flows: 7, devices: 9, some: ['mac-020000000a01'], ports: ['tcp/443'], last: time }],
  }
  test('tells what would be different, and for whom', () => {
    render(WhatIfResult, { result })
    expect(screen.getByText('Blocked in addition: 7 connections (devices: 2).')).toBeTruthy()
    expect(screen.getByText(/would be held back/)).toBeTruthy()
    expect(screen.getByText('blocked from score 75 now, from 60 then')).toBeTruthy()
    expect(screen.getByText('and 8 more')).toBeTruthy()
    expect(screen.getByText('3 entries, 1 refused.')).toBeTruthy()
  })
  test('says so when nothing would be, or nothing is known', () => {
    const { unmount } = render(WhatIfResult, { result: { ...result, more: none, top: [] } })
    expect(screen.getByText('Nothing would have been different.')).toBeTruthy()
    unmount()
    render(WhatIfResult, { result: { ...result, all: none, more: none, top: [] } })
    expect(screen.getByText(/No contact of a device is known/)).toBeTruthy()
  })
  test('is asked only when enough is said', async () => {
    const onask = vi.fn()
    render(WhatIfForm, { start: fresh, feeds: [], busy: false, onask })
    const button = screen.getByRole('button', { name: 'See what it would do' })
    expect(button).toHaveProperty('disabled', true)
    await fireEvent.input(screen.getByLabelText('or its text'), { target: { value: '198.51.100.7' } })
    await fireEvent.click(button)
    expect(onask).toHaveBeenCalledExactlyOnceWith({ ...fresh, text: '198.51.100.7' })
  })
})
