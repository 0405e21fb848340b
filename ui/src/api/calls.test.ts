import { afterEach, expect, test, vi } from 'vitest'
import { calls } from './calls'
import { CallError, fromProblem } from './errors'

afterEach(() => vi.unstubAllGlobals())

function answer(status: number, body: unknown) {
  const fetched = vi.fn(async (_request: Request) => new Response(body === undefined ? null : JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } }))
  vi.stubGlobal('fetch', fetched)
  return fetched
}

test('a call goes to its path with its query and gives back the body', async () => {
  const fetched = answer(200, { events: [], next: 'abc' })
  expect(await calls.events('severity:>=high', 100, 'cursor')).toEqual({ events: [], next: 'abc' })
  const url = new URL(fetched.mock.calls[0]![0].url)
  expect(url.pathname).toBe('/api/v1/events')
  expect(Object.fromEntries(url.searchParams)).toEqual({ q: 'severity:>=high', limit: '100', before: 'cursor' })
})

test('an ID in the path is escaped', async () => {
  const fetched = answer(200, {})
  await calls.changeDevice('mac-020000000a01.v12/..', 'Camera', 'camera')
  expect(new URL(fetched.mock.calls[0]![0].url).pathname).toBe('/api/v1/devices/mac-020000000a01.v12%2F..')
  expect(await fetched.mock.calls[0]![0].json()).toEqual({ name: 'Camera', kind: 'camera' })
})

test('an answer without a body is a success too', async () => {
  answer(204, undefined)
  await expect(calls.dropToken('x')).resolves.toBeDefined()
})

test('a problem document becomes an error that says what to mend', async () => {
  answer(422, { title: 'Unprocessable Entity', detail: 'validation failed', errors: [{ location: 'body.pps', message: 'must not be 0' }] })
  await expect(calls.overview()).rejects.toMatchObject({ status: 422, detail: 'validation failed', problems: [{ field: 'pps', message: 'must not be 0' }] })
})

test('no answer has status 0', async () => {
  vi.stubGlobal('fetch', vi.fn(() => Promise.reject(new TypeError('refused'))))
  await expect(calls.overview()).rejects.toMatchObject({ status: 0 })
})

test('whatever comes instead of a problem document is borne', () => {
  for (const body of [undefined, null, 'text', 7, { errors: [null, 1, { message: 2 }] }]) {
    const err = fromProblem(502, body)
    expect(err).toBeInstanceOf(CallError)
    expect(err.detail).toBe('HTTP 502')
    expect(err.problems).toEqual([])
  }
})
