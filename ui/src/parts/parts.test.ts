import { fireEvent, render, screen } from '@testing-library/svelte'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import type { Action, Incident } from '../api/model'
import { language } from '../i18n/lang.svelte'
import { session } from '../shell/session.svelte'
import ActionList from './ActionList.svelte'
import QueryBox from './QueryBox.svelte'
import Severity from './Severity.svelte'
import Timeline from './Timeline.svelte'

beforeEach(() => {
  language.choose('en')
  session.enter('aya', 'operator')
})

test('severity is a word and bars, not only a colour', () => {
  const { container } = render(Severity, { value: 'high' })
  expect(screen.getByText('High')).toBeTruthy()
  expect(container.querySelectorAll('rect.on')).toHaveLength(3)
})

describe('the query box', () => {
  test('searches on Enter, trimmed', async () => {
    const onsearch = vi.fn()
    render(QueryBox, { value: '', onsearch })
    const box = screen.getByRole('combobox')
    await fireEvent.input(box, { target: { value: ' layer:network ' } })
    await fireEvent.keyDown(box, { key: 'Enter' })
    expect(onsearch).toHaveBeenCalledExactlyOnceWith('layer:network')
  })
  test('takes a completion by arrow and Enter without searching', async () => {
    const onsearch = vi.fn()
    render(QueryBox, { value: '', onsearch })
    const box = screen.getByRole<HTMLInputElement>('combobox')
    await fireEvent.input(box, { target: { value: 'lay' } })
    await fireEvent.keyDown(box, { key: 'ArrowDown' })
    expect(screen.getByRole('option', { name: 'layer:' }).getAttribute('aria-selected')).toBe('true')
    await fireEvent.keyDown(box, { key: 'Enter' })
    expect(box.value).toBe('layer:')
    expect(onsearch).not.toHaveBeenCalled()
  })
  test('says what is wrong, tied to the box', () => {
    render(QueryBox, { value: 'x:1', problem: 'column 1: there is no field "x"', onsearch: vi.fn() })
    const box = screen.getByRole('combobox')
    expect(box.getAttribute('aria-invalid')).toBe('true')
    expect(document.getElementById(box.getAttribute('aria-describedby') ?? '')?.textContent).toContain('column 1')
  })
})

const action: Action = {
  id: '0192f0c1-2b3c-7d4e-8f50-617283940516', kind: 'drop', mode: 'enforce', scope: {}, shape: { proto: 17, dst: '203.0.113.10/32', dst_port: 9000 }, author: 'correlator', reason: 'UDP flood',
  created: new Date(Date.now() - 60_000).toISOString(), expires: new Date(Date.now() + 540_000).toISOString(), state: 'active', packets: 98_412, bytes: 5e7, events: [], parts: [],
}

describe('an action', () => {
  test('says what is dropped, for whom, how much it stopped and how long still', () => {
    const { container } = render(ActionList, { actions: [action], onchange: vi.fn() })
    for (const words of ['Drops UDP to 203.0.113.10 port 9000', 'all devices', '98.4 k', 'In force', 'Undo']) expect(container.textContent).toContain(words)
    expect(container.textContent).toMatch(/8 min 5\d s|9 min/)
  })
  test('offers a viewer nothing to press', () => {
    session.enter('ren', 'viewer')
    render(ActionList, { actions: [action, { ...action, id: 'b', state: 'proposed' }], onchange: vi.fn() })
    expect(screen.queryByRole('button', { name: 'Undo' })).toBeNull()
    expect(screen.queryByRole('button', { name: 'Approve' })).toBeNull()
  })
  test('follows a switch of language', async () => {
    const { container } = render(ActionList, { actions: [action], onchange: vi.fn() })
    language.choose('ja')
    await vi.waitFor(() => expect(container.textContent).toContain('203.0.113.10 ポート 9000 宛ての UDPを遮断'))
  })
})

test('a story shows who spoke and how long after the start', async () => {
  const opened = '2026-11-23T07:00:00Z'
  const incident = {
    opened,
    story: [
      { time: opened, code: 'incident.opened', params: { device: 'mac-020000000a01', target: '203.0.113.10', vector: 'udp' }, text: 'x', event: 'e1' },
      { time: '2026-11-23T07:00:00.214Z', code: 'action.applied', params: { part: 'gate-b21e90c4ff13', after_ms: '214' }, text: 'x' },
    ],
  } as unknown as Incident
  const onevent = vi.fn()
  const { container } = render(Timeline, { incident, onevent })
  expect(container.querySelector('[data-code="action.applied"]')?.textContent).toContain('214 ms after the attack began')
  expect(container.querySelector('[data-code="action.applied"]')?.textContent).toContain('+0.214 s')
  await fireEvent.click(screen.getByRole('button', { name: 'see event' }))
  expect(onevent).toHaveBeenCalledExactlyOnceWith('e1')
})
