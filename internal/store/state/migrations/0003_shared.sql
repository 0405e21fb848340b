-- What several instances of a service have in common: things by name, with a
-- version that rises with each change of their space, and who leads.
-- +goose Up
CREATE TABLE shared_items (
    space   TEXT NOT NULL,
    name    TEXT NOT NULL,
    version BIGINT NOT NULL,
    gone    BIGINT NOT NULL,
    value   BYTEA NOT NULL,
    PRIMARY KEY (space, name)
);
CREATE INDEX shared_items_version ON shared_items (space, version);

CREATE TABLE leases (
    name   TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    ends   BIGINT NOT NULL
);

-- +goose Down
DROP TABLE leases;
DROP TABLE shared_items;
