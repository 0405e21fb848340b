package duckdb

import (
	"context"
	sqldriver "database/sql/driver"

	driver "github.com/duckdb/duckdb-go/v2"
)

// connector makes connections that leave nothing behind.
//
// A statement whose context ends between being planned and being run leaves its
// connection interrupted, with the plan still active: the driver gives the plan
// up without running it. Closing such a connection does not free it; it keeps the
// database alive for ever, and opening the same file again in this process then
// waits for the database's end in a loop that never ends, at full load, in
// duckdb_get_or_create_from_cache (https://github.com/duckdb/duckdb/issues/25965
// has the same loop from other causes). Any statement that runs to its end clears
// the state, so each connection runs one before it is closed.
type connector struct{ *driver.Connector }

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (sqldriver.Conn, error) {
	got, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	own, ok := got.(*driver.Conn)
	if !ok {
		return got, nil
	}
	return connection{own}, nil
}

// connection is one of the driver's with a clean end.
type connection struct{ *driver.Conn }

// Close implements driver.Conn.
func (c connection) Close() error {
	_, _ = c.ExecContext(context.Background(), "SELECT 1", nil) // an error changes nothing about the end
	return c.Conn.Close()
}
