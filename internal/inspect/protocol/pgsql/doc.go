// Package pgsql parses version 3 of the PostgreSQL frontend/backend protocol:
// start-up, authentication, simple queries and what answers them. It reads no
// rows. protocol/all lists it for the inspection engine.
package pgsql
