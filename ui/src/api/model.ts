// The words of the API, under the names that the pages use. The shapes come
// from api/openapi.json (npm run gen), so a change there that matters here
// does not compile.
import type { components } from './schema'

type Schemas = components['schemas']

export type Event = Schemas['Event']
export type Flood = Schemas['FloodEvidence']
export type Process = Schemas['ProcessEvidence']
export type Shape = Schemas['Shape']
export type Action = Schemas['Action']
export type StoryLine = Schemas['StoryLine']
export type Device = Schemas['Device']
export type Part = Schemas['PartView']
export type Overview = Schemas['Overview']
export type LayerSummary = Schemas['LayerState']
export type Bucket = Schemas['Bucket']
export type NewAction = Schemas['ActionOrder']
export type EnrollToken = Schemas['EnrollToken']
export type NewEnrollToken = Schemas['NewEnrollToken']
export type PolicyText = Schemas['PolicyView']
export type PolicyProblem = Schemas['PolicyProblem']
export type DryRun = Schemas['DryRun']
export type AuditEntry = Schemas['AuditEntry']
export type User = Schemas['User']
export type Token = Schemas['APIToken']
export type Observable = NonNullable<Event['observables']>[number]
export type Verdict = Schemas['Verdict']
export type Answer = Schemas['ReputationAnswer']
export type Feed = Schemas['ReputationFeed']
export type WhatIf = Schemas['ReputationWhatIf']
export type Hits = Schemas['ReputationHits']
export type SourceHits = Schemas['ReputationSourceHits']
export type ObjectHits = Schemas['ReputationObjectHits']
export type Report = Schemas['ReputationReport']
export type OwnEntry = Schemas['ReputationEntry']

export type Severity = Event['severity']
export type Layer = Event['layer']
export type Access = 'partner' | 'viewer' | 'operator' | 'admin'

export type Incident = Schemas['Incident']
export type IncidentPage = Schemas['IncidentDetail']
export type DevicePage = Schemas['DeviceDetail']

export const severities: Severity[] = ['info', 'low', 'medium', 'high', 'critical']
export const layers: Layer[] = ['device', 'network', 'control', 'data']
