-- The queries of package state. Keep to what SQLite and PostgreSQL both
-- understand: no casts with ::, no now(), no FOR UPDATE, no arrays.

-- name: InsertUser :execrows
INSERT INTO users (name, access, password, created, last_login, password_set)
VALUES ($1, $2, $3, $4, 0, $4) ON CONFLICT (name) DO NOTHING;

-- name: GetUser :one
SELECT * FROM users WHERE name = $1;

-- name: ListUsers :many
SELECT * FROM users ORDER BY name;

-- name: CountUsers :one
SELECT COUNT(*) FROM users;

-- name: CountUsersWithAccess :one
SELECT COUNT(*) FROM users WHERE access = $1;

-- name: SetPassword :execrows
UPDATE users SET password = $2, password_set = $3 WHERE name = $1;

-- name: NoteLogin :exec
UPDATE users SET last_login = $2 WHERE name = $1;

-- name: DeleteUser :execrows
DELETE FROM users WHERE name = $1;

-- name: GetSession :one
SELECT data FROM sessions WHERE token = $1 AND expires > $2;

-- name: PutSession :exec
INSERT INTO sessions (token, data, expires) VALUES ($1, $2, $3)
ON CONFLICT (token) DO UPDATE SET data = excluded.data, expires = excluded.expires;

-- name: DeleteSession :exec
DELETE FROM sessions WHERE token = $1;

-- name: DeleteSessionsBefore :exec
DELETE FROM sessions WHERE expires <= $1;

-- name: InsertAPIToken :exec
INSERT INTO api_tokens (id, hash, name, user_name, access, created, expires, last_used)
VALUES ($1, $2, $3, $4, $5, $6, $7, 0);

-- name: GetAPITokenByHash :one
SELECT * FROM api_tokens WHERE hash = $1;

-- name: ListAPITokens :many
SELECT * FROM api_tokens WHERE CAST(sqlc.arg(owner) AS TEXT) = '' OR user_name = sqlc.arg(owner) ORDER BY id DESC;

-- name: NoteAPITokenUse :exec
UPDATE api_tokens SET last_used = $2 WHERE id = $1;

-- name: DeleteAPIToken :execrows
DELETE FROM api_tokens WHERE id = $1;

-- name: DeleteAPITokensOf :exec
DELETE FROM api_tokens WHERE user_name = $1;

-- name: InsertEnrollToken :exec
INSERT INTO enroll_tokens (id, hash, role, name, uses, used, created, expires, author)
VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $8);

-- name: GetEnrollTokenByHash :one
SELECT * FROM enroll_tokens WHERE hash = $1;

-- name: TakeEnrollToken :execrows
UPDATE enroll_tokens SET used = used + 1 WHERE id = $1 AND used < uses;

-- name: ListEnrollTokens :many
SELECT * FROM enroll_tokens ORDER BY id DESC LIMIT 1000;

-- name: DeleteEnrollToken :execrows
DELETE FROM enroll_tokens WHERE id = $1;

-- name: InsertPart :execrows
INSERT INTO parts (id, enrolled, revoked, revoked_at, revoke_reason, doc)
VALUES ($1, $2, FALSE, 0, '', $3) ON CONFLICT (id) DO NOTHING;

-- name: GetPart :one
SELECT * FROM parts WHERE id = $1;

-- name: ListParts :many
SELECT * FROM parts ORDER BY enrolled, id;

-- name: UpdatePart :exec
UPDATE parts SET doc = $2 WHERE id = $1;

-- name: RevokePart :execrows
UPDATE parts SET revoked = TRUE, revoked_at = $2, revoke_reason = $3 WHERE id = $1 AND NOT revoked;

-- name: InsertCertificate :execrows
INSERT INTO certificates (serial, part, sha256, not_before, not_after)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT (serial) DO NOTHING;

-- name: ListCertificates :many
SELECT * FROM certificates WHERE part = $1 ORDER BY not_after DESC;

-- name: GetDevice :one
SELECT * FROM devices WHERE id = $1;

-- name: PutDevice :exec
INSERT INTO devices (id, given_name, given_kind, agent, state, search, doc)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (id) DO UPDATE SET given_name = excluded.given_name, given_kind = excluded.given_kind,
    agent = excluded.agent, state = excluded.state, search = excluded.search, doc = excluded.doc;

-- name: ListDevices :many
SELECT * FROM devices
WHERE id > sqlc.arg(after)
  AND search LIKE CAST(sqlc.arg(word1) AS TEXT) ESCAPE '\' AND search LIKE CAST(sqlc.arg(word2) AS TEXT) ESCAPE '\'
  AND search LIKE CAST(sqlc.arg(word3) AS TEXT) ESCAPE '\' AND search LIKE CAST(sqlc.arg(word4) AS TEXT) ESCAPE '\'
ORDER BY id LIMIT sqlc.arg(most);

-- name: CountDevices :one
SELECT COUNT(*) AS total,
    COUNT(CASE WHEN agent <> '' THEN 1 END) AS with_agent,
    COUNT(CASE WHEN state = 'attacking' THEN 1 END) AS attacking,
    COUNT(CASE WHEN state = 'contained' THEN 1 END) AS contained
FROM devices;

-- name: GetIncident :one
SELECT * FROM incidents WHERE id = $1;

-- name: PutIncident :exec
INSERT INTO incidents (id, state, doc) VALUES ($1, $2, $3)
ON CONFLICT (id) DO UPDATE SET state = excluded.state, doc = excluded.doc;

-- name: AddIncidentDevice :exec
INSERT INTO incident_devices (device, incident) VALUES ($1, $2) ON CONFLICT (device, incident) DO NOTHING;

-- name: ListIncidents :many
SELECT * FROM incidents
WHERE (CAST(sqlc.arg(before) AS TEXT) = '' OR id < sqlc.arg(before))
  AND (CAST(sqlc.arg(states) AS TEXT) = '' OR sqlc.arg(states) LIKE '%,' || state || ',%')
ORDER BY id DESC LIMIT sqlc.arg(most);

-- name: ListIncidentsOfDevice :many
SELECT i.* FROM incidents i JOIN incident_devices d ON d.incident = i.id
WHERE d.device = sqlc.arg(device)
  AND (CAST(sqlc.arg(before) AS TEXT) = '' OR i.id < sqlc.arg(before))
  AND (CAST(sqlc.arg(states) AS TEXT) = '' OR sqlc.arg(states) LIKE '%,' || i.state || ',%')
ORDER BY i.id DESC LIMIT sqlc.arg(most);

-- name: ListOpenIncidents :many
SELECT * FROM incidents WHERE state IN ('open', 'contained') ORDER BY id;

-- name: CountOpenIncidents :one
SELECT COUNT(*) FROM incidents WHERE state IN ('open', 'contained');

-- name: GetAction :one
SELECT * FROM actions WHERE id = $1;

-- name: PutAction :exec
INSERT INTO actions (id, state, incident, device, doc) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id) DO UPDATE SET state = excluded.state, incident = excluded.incident,
    device = excluded.device, doc = excluded.doc;

-- name: ListActions :many
SELECT * FROM actions
WHERE (CAST(sqlc.arg(before) AS TEXT) = '' OR id < sqlc.arg(before))
  AND (CAST(sqlc.arg(states) AS TEXT) = '' OR sqlc.arg(states) LIKE '%,' || state || ',%')
  AND (CAST(sqlc.arg(incident) AS TEXT) = '' OR incident = sqlc.arg(incident))
  AND (CAST(sqlc.arg(device) AS TEXT) = '' OR device = sqlc.arg(device))
ORDER BY id DESC LIMIT sqlc.arg(most);

-- name: ListLiveActions :many
SELECT * FROM actions WHERE state IN ('proposed', 'pending', 'active', 'failed') ORDER BY id;

-- name: CountLiveActions :one
SELECT COUNT(*) FROM actions WHERE state IN ('pending', 'active', 'failed');

-- name: PutActionPart :exec
INSERT INTO action_parts (action, part, applied, error, at, packets, bytes, last_hit)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (action, part) DO UPDATE SET applied = excluded.applied, error = excluded.error, at = excluded.at,
    packets = CASE WHEN excluded.packets > action_parts.packets THEN excluded.packets ELSE action_parts.packets END,
    bytes = CASE WHEN excluded.bytes > action_parts.bytes THEN excluded.bytes ELSE action_parts.bytes END,
    last_hit = CASE WHEN excluded.last_hit > action_parts.last_hit THEN excluded.last_hit ELSE action_parts.last_hit END;

-- name: ListActionParts :many
SELECT * FROM action_parts WHERE action = $1 ORDER BY part;

-- name: SumStopped :one
SELECT CAST(COALESCE(SUM(packets), 0) AS BIGINT) AS packets, CAST(COALESCE(SUM(bytes), 0) AS BIGINT) AS bytes
FROM action_parts;

-- name: GetAuditHead :one
SELECT * FROM audit_head WHERE id = 1;

-- name: PutAuditHead :exec
INSERT INTO audit_head (id, seq, hash) VALUES (1, $1, $2)
ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash;

-- name: InsertAudit :exec
INSERT INTO audit (seq, time, actor, operation, object, detail, address, hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: ListAudit :many
SELECT * FROM audit WHERE seq < sqlc.arg(before) ORDER BY seq DESC LIMIT sqlc.arg(most);

-- name: ListAuditFrom :many
SELECT * FROM audit WHERE seq >= sqlc.arg(first) ORDER BY seq LIMIT sqlc.arg(most);

-- name: GetNewestSet :one
SELECT * FROM signed_sets WHERE name = $1 ORDER BY version DESC LIMIT 1;

-- name: InsertSet :exec
INSERT INTO signed_sets (name, version, payload, minisig, sha256, issued, expires)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: DeleteSetsBelow :exec
DELETE FROM signed_sets WHERE name = $1 AND version < $2;

-- name: GetContent :one
SELECT payload FROM signed_sets WHERE sha256 = $1 LIMIT 1;

-- name: GetNewestPolicy :one
SELECT * FROM policy_texts ORDER BY version DESC LIMIT 1;

-- name: InsertPolicy :exec
INSERT INTO policy_texts (version, text, author, time) VALUES ($1, $2, $3, $4);

-- name: GetLease :one
SELECT * FROM leases WHERE name = $1;

-- name: PutLease :exec
INSERT INTO leases (name, holder, ends) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, ends = excluded.ends;

-- name: GetSharedVersion :one
SELECT CAST(coalesce(max(version), 0) AS BIGINT) AS version FROM shared_items WHERE space = $1;

-- name: PutSharedItem :exec
INSERT INTO shared_items (space, name, version, gone, value) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (space, name) DO UPDATE SET version = excluded.version, gone = excluded.gone, value = excluded.value;

-- name: GetSharedItem :one
SELECT * FROM shared_items WHERE space = $1 AND name = $2;

-- name: ListSharedItems :many
SELECT * FROM shared_items WHERE space = $1 AND version > $2 ORDER BY version LIMIT $3;

-- name: ListSharedNames :many
SELECT name FROM shared_items WHERE space = $1 AND gone = 0 ORDER BY name;

-- name: DeleteSharedItem :exec
DELETE FROM shared_items WHERE space = $1 AND name = $2;
