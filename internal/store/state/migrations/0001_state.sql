-- One text for SQLite and PostgreSQL. Times are nanoseconds since 1970, UTC,
-- 0 for none. "doc" columns hold the JSON form of the model's value; columns
-- beside it are what is searched for or guarded.

-- +goose Up
CREATE TABLE users (
    name         TEXT PRIMARY KEY,
    access       TEXT NOT NULL,
    password     TEXT NOT NULL,
    created      BIGINT NOT NULL,
    last_login   BIGINT NOT NULL,
    password_set BIGINT NOT NULL
);

CREATE TABLE sessions (
    token   TEXT PRIMARY KEY,
    data    BYTEA NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX sessions_expires ON sessions (expires);

CREATE TABLE api_tokens (
    id        TEXT PRIMARY KEY,
    hash      TEXT NOT NULL UNIQUE,
    name      TEXT NOT NULL,
    user_name TEXT NOT NULL,
    access    TEXT NOT NULL,
    created   BIGINT NOT NULL,
    expires   BIGINT NOT NULL,
    last_used BIGINT NOT NULL
);
CREATE INDEX api_tokens_user ON api_tokens (user_name);

CREATE TABLE enroll_tokens (
    id      TEXT PRIMARY KEY,
    hash    TEXT NOT NULL UNIQUE,
    role    TEXT NOT NULL,
    name    TEXT NOT NULL,
    uses    BIGINT NOT NULL,
    used    BIGINT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    author  TEXT NOT NULL
);

CREATE TABLE parts (
    id            TEXT PRIMARY KEY,
    enrolled      BIGINT NOT NULL,
    revoked       BOOLEAN NOT NULL,
    revoked_at    BIGINT NOT NULL,
    revoke_reason TEXT NOT NULL,
    doc           TEXT NOT NULL
);

CREATE TABLE certificates (
    serial     TEXT PRIMARY KEY,
    part       TEXT NOT NULL REFERENCES parts (id),
    sha256     TEXT NOT NULL,
    not_before BIGINT NOT NULL,
    not_after  BIGINT NOT NULL
);
CREATE INDEX certificates_part ON certificates (part);

CREATE TABLE devices (
    id         TEXT PRIMARY KEY,
    given_name TEXT NOT NULL,
    given_kind TEXT NOT NULL,
    agent      TEXT NOT NULL,
    state      TEXT NOT NULL,
    search     TEXT NOT NULL,
    doc        TEXT NOT NULL
);

CREATE TABLE incidents (
    id     TEXT PRIMARY KEY,
    state  TEXT NOT NULL,
    doc    TEXT NOT NULL
);
CREATE INDEX incidents_state ON incidents (state);

CREATE TABLE incident_devices (
    device   TEXT NOT NULL,
    incident TEXT NOT NULL REFERENCES incidents (id),
    PRIMARY KEY (device, incident)
);

CREATE TABLE actions (
    id       TEXT PRIMARY KEY,
    state    TEXT NOT NULL,
    incident TEXT NOT NULL,
    device   TEXT NOT NULL,
    doc      TEXT NOT NULL
);
CREATE INDEX actions_state ON actions (state);
CREATE INDEX actions_incident ON actions (incident);
CREATE INDEX actions_device ON actions (device);

CREATE TABLE action_parts (
    action   TEXT NOT NULL REFERENCES actions (id),
    part     TEXT NOT NULL,
    applied  BOOLEAN NOT NULL,
    error    TEXT NOT NULL,
    at       BIGINT NOT NULL,
    packets  BIGINT NOT NULL,
    bytes    BIGINT NOT NULL,
    last_hit BIGINT NOT NULL,
    PRIMARY KEY (action, part)
);

CREATE TABLE audit (
    seq       BIGINT PRIMARY KEY,
    time      BIGINT NOT NULL,
    actor     TEXT NOT NULL,
    operation TEXT NOT NULL,
    object    TEXT NOT NULL,
    detail    TEXT NOT NULL,
    address   TEXT NOT NULL,
    hash      BYTEA NOT NULL
);

-- The end of the chain: that the newest lines were not cut off shows here.
CREATE TABLE audit_head (
    id   BIGINT PRIMARY KEY,
    seq  BIGINT NOT NULL,
    hash BYTEA NOT NULL
);

CREATE TABLE signed_sets (
    name    TEXT NOT NULL,
    version BIGINT NOT NULL,
    payload BYTEA NOT NULL,
    minisig TEXT NOT NULL,
    sha256  TEXT NOT NULL,
    issued  BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    PRIMARY KEY (name, version)
);
CREATE INDEX signed_sets_sha256 ON signed_sets (sha256);

CREATE TABLE policy_texts (
    version BIGINT PRIMARY KEY,
    text    TEXT NOT NULL,
    author  TEXT NOT NULL,
    time    BIGINT NOT NULL
);

-- +goose Down
DROP TABLE policy_texts;
DROP TABLE signed_sets;
DROP TABLE audit_head;
DROP TABLE audit;
DROP TABLE action_parts;
DROP TABLE actions;
DROP TABLE incident_devices;
DROP TABLE incidents;
DROP TABLE devices;
DROP TABLE certificates;
DROP TABLE parts;
DROP TABLE enroll_tokens;
DROP TABLE api_tokens;
DROP TABLE sessions;
DROP TABLE users;
