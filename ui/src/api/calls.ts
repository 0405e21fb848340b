// Every call that the dashboard makes, by name. An answer that is not a
// success becomes a CallError.
import createClient from 'openapi-fetch'
import { CallError, fromProblem } from './errors'
import type { Access, DevicePage, Incident, IncidentPage, NewAction, Report } from './model'
import type { paths } from './schema'

const api = createClient<paths>({
  baseUrl: '/',
  credentials: 'same-origin',
  // Looked up at each call, so that tests can put another one in its place.
  fetch: (request) => fetch(request),
})

interface Answer<T> {
  data?: T
  error?: unknown
  response: Response
}

async function value<T>(pending: Promise<Answer<T>>): Promise<T> {
  const answer = await quiet(pending)
  if (answer.data === undefined) throw fromProblem(answer.response.status, undefined)
  return answer.data
}

/** Waits for a call that answers without a body, or with one that nobody reads. */
async function quiet<T>(pending: Promise<Answer<T>>): Promise<Answer<T>> {
  let answer: Answer<T>
  try {
    answer = await pending
  } catch (err) {
    throw new CallError(0, String(err))
  }
  if (!answer.response.ok) throw fromProblem(answer.response.status, answer.error)
  return answer
}

const at = (id: string) => ({ params: { path: { id } } })

type ActionStates = NonNullable<NonNullable<paths['/api/v1/actions']['get']['parameters']['query']>['state']>
type IncidentStates = NonNullable<NonNullable<paths['/api/v1/incidents']['get']['parameters']['query']>['state']>

/** What a change of reputation is asked about; the list itself is the body. */
export type WhatIfQuestion = NonNullable<paths['/api/v1/reputation/what-if']['post']['parameters']['query']>
type NewReport = NonNullable<paths['/api/v1/reputation/reports']['post']['requestBody']>['content']['application/json']

export const calls = {
  setupNeeded: async () => (await value(api.GET('/api/v1/setup'))).needed,
  setup: (setup_token: string, user: string, password: string) =>
    value(api.POST('/api/v1/setup', { body: { setup_token, user, password } })),
  session: () => value(api.GET('/api/v1/session')),
  signIn: (user: string, password: string) => value(api.POST('/api/v1/session', { body: { user, password } })),
  signOut: () => quiet(api.DELETE('/api/v1/session')),
  changePassword: (old: string, fresh: string) => quiet(api.POST('/api/v1/session/password', { body: { old, new: fresh } })),

  overview: () => value(api.GET('/api/v1/overview')),
  events: (q: string, limit: number, before?: string) => value(api.GET('/api/v1/events', { params: { query: { q, limit, before } } })),
  event: (id: string) => value(api.GET('/api/v1/events/{id}', at(id))),
  histogram: async (q: string, from: string, to: string, step: number) =>
    (await value(api.GET('/api/v1/events/histogram', { params: { query: { q, from, to, step, by: 'severity' } } }))).buckets,

  incidents: async (state: IncidentStates) =>
    (await value(api.GET('/api/v1/incidents', { params: { query: { state } } }))).incidents as unknown as Incident[],
  incident: async (id: string) => (await value(api.GET('/api/v1/incidents/{id}', at(id)))) as unknown as IncidentPage,
  closeIncident: (id: string, note: string) => value(api.POST('/api/v1/incidents/{id}/close', { ...at(id), body: { note } })),

  actions: async (state: ActionStates) => (await value(api.GET('/api/v1/actions', { params: { query: { state } } }))).actions,
  createAction: (body: NewAction) => value(api.POST('/api/v1/actions', { body })),
  approveAction: (id: string) => value(api.POST('/api/v1/actions/{id}/approve', at(id))),
  undoAction: (id: string, reason: string) => value(api.POST('/api/v1/actions/{id}/undo', { ...at(id), body: { reason } })),

  devices: async () => (await value(api.GET('/api/v1/devices', { params: { query: { limit: 1000 } } }))).devices,
  device: async (id: string) => (await value(api.GET('/api/v1/devices/{id}', at(id)))) as unknown as DevicePage,
  changeDevice: (id: string, name: string, kind: string) => value(api.PATCH('/api/v1/devices/{id}', { ...at(id), body: { name, kind } })),

  parts: async () => (await value(api.GET('/api/v1/parts'))).parts,
  revokePart: (id: string, reason: string) => value(api.POST('/api/v1/parts/{id}/revoke', { ...at(id), body: { reason } })),
  enrollTokens: async () => (await value(api.GET('/api/v1/enroll-tokens'))).tokens,
  createEnrollToken: (role: 'agent' | 'gate', name: string, ttl_s: number) =>
    value(api.POST('/api/v1/enroll-tokens', { body: { role, name, ttl_s, uses: 1 } })),
  dropEnrollToken: (id: string) => quiet(api.DELETE('/api/v1/enroll-tokens/{id}', at(id))),

  policy: () => value(api.GET('/api/v1/policy')),
  savePolicy: (text: string) => value(api.PUT('/api/v1/policy', { body: { text } })),
  checkPolicy: (text: string) => value(api.POST('/api/v1/policy/dry-run', { body: { text, since_s: 86_400 } })),

  reputation: () => value(api.GET('/api/v1/reputation')),
  explain: (object: string) => value(api.GET('/api/v1/reputation/explain', { params: { query: { object } } })),
  lookUp: async (objects: string[]) => (await value(api.POST('/api/v1/reputation/lookup', { body: { objects } }))).answers,
  feeds: async () => (await value(api.GET('/api/v1/reputation/feeds'))).feeds,
  fetchFeed: (name: string) => value(api.POST('/api/v1/reputation/feeds/{name}/fetch', { params: { path: { name } } })),
  releaseFeed: (name: string) => value(api.POST('/api/v1/reputation/feeds/{name}/release', { params: { path: { name } } })),
  ownEntries: async () => (await value(api.GET('/api/v1/reputation/entries'))).entries,
  setOwnEntry: (object: string, list: 'allow' | 'deny', note: string) =>
    value(api.POST('/api/v1/reputation/entries', { body: { object, list, ...(note && { note }) } })),
  dropOwnEntry: (object: string) => quiet(api.DELETE('/api/v1/reputation/entries', { params: { query: { object } } })),

  whatIf: (query: WhatIfQuestion, list?: Blob) =>
    // The description calls any bytes a string.
    value(api.POST('/api/v1/reputation/what-if', { params: { query }, body: (list ?? '') as string, bodySerializer: (b) => b, headers: { 'Content-Type': 'application/octet-stream' } })),
  hits: (days: number) => value(api.GET('/api/v1/reputation/hits', { params: { query: { days } } })),
  reports: async () => (await value(api.GET('/api/v1/reputation/reports'))).reports,
  report: (object: string, note: string, allow: boolean) => value(api.POST('/api/v1/reputation/reports', { body: { object, note, allow } as NewReport })),
  decideReport: (id: string, state: Report['state'], note: string, allow: boolean) =>
    value(api.POST('/api/v1/reputation/reports/{id}', { ...at(id), body: { state, note, allow } })),

  audit: (limit: number, before?: string) => value(api.GET('/api/v1/audit', { params: { query: { limit, before } } })),

  users: async () => (await value(api.GET('/api/v1/users'))).users,
  createUser: (user: string, access: Access, password: string) => value(api.POST('/api/v1/users', { body: { user, access, password } })),
  dropUser: (name: string) => quiet(api.DELETE('/api/v1/users/{name}', { params: { path: { name } } })),
  tokens: async () => (await value(api.GET('/api/v1/tokens'))).tokens,
  createToken: (name: string, access: Access, ttl_s: number) => value(api.POST('/api/v1/tokens', { body: { name, access, ttl_s } })),
  dropToken: (id: string) => quiet(api.DELETE('/api/v1/tokens/{id}', at(id))),
}
