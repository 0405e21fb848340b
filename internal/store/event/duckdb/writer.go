package duckdb

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
	"unsafe"

	driver "github.com/duckdb/duckdb-go/v2"
	"github.com/duckdb/duckdb-go/v2/mapping"

	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/event"
)

// writer appends blocks through DuckDB's appender, filling its column vectors
// directly: database/sql's way costs an allocation and a call into C for each
// value. It has a connection of its own to the same database.
type writer struct {
	db    mapping.Database
	conn  mapping.Connection
	arena arena
	buf   []byte // reused
}

func newWriter(path string) (*writer, error) {
	w := &writer{}
	var config mapping.Config
	if mapping.CreateConfig(&config) == mapping.StateError {
		return nil, errors.New("event store: make configuration")
	}
	defer mapping.DestroyConfig(&config)
	// The same setting as the driver's own, or DuckDB takes it for another
	// database and refuses.
	if mapping.SetConfig(config, "duckdb_api", "go") == mapping.StateError {
		return nil, errors.New("event store: set configuration")
	}
	var msg string
	if mapping.GetOrCreateFromCache(driver.GetInstanceCache(), path, &w.db, config, &msg) == mapping.StateError {
		return nil, fmt.Errorf("event store: %s: %s", path, msg)
	}
	if mapping.Connect(w.db, &w.conn) == mapping.StateError {
		mapping.Close(&w.db)
		return nil, fmt.Errorf("event store: %s: cannot connect the writer", path)
	}
	return w, nil
}

func (w *writer) close() {
	mapping.Disconnect(&w.conn)
	mapping.Close(&w.db)
	w.arena.free()
}

func (w *writer) exec(statement string) error {
	var result mapping.Result
	defer mapping.DestroyResult(&result)
	if mapping.Query(w.conn, statement, &result) == mapping.StateError {
		return fmt.Errorf("%s: %s", statement, mapping.ResultError(&result))
	}
	return nil
}

// write stores a block in the database of that alias, as one transaction.
func (w *writer) write(alias string, b event.Block) error {
	if err := w.exec("BEGIN TRANSACTION"); err != nil {
		return err
	}
	err := w.appendEvents(alias, b.Events)
	if err == nil {
		err = w.appendMarks(alias, b.Marks)
	}
	if err == nil {
		if err = w.exec("COMMIT"); err == nil {
			return nil
		}
	}
	// A COMMIT that failed has ended the transaction itself: an error of the
	// rollback then says nothing new.
	if rollback := w.exec("ROLLBACK"); rollback != nil && !strings.Contains(rollback.Error(), "no transaction is active") {
		return errors.Join(err, rollback)
	}
	return err
}

// The columns in the order of schema.
const (
	colTime = iota
	colLast
	colIDHi
	colIDLo
	colDevice
	colReporter
	colLayer
	colSeverity
	colCount
	colKind
	colRule
	colTechnique
	colSubject
	colObservables
	colExplanation
	colAdvice
	colEvidence
)

func eventTypes() []mapping.Type {
	const text = mapping.TypeVarchar
	return []mapping.Type{
		colTime: mapping.TypeBigInt, colLast: mapping.TypeBigInt, colIDHi: mapping.TypeUBigInt, colIDLo: mapping.TypeUBigInt,
		colDevice: text, colReporter: text, colLayer: mapping.TypeUTinyInt, colSeverity: mapping.TypeUTinyInt,
		colCount: mapping.TypeUInteger, colKind: text, colRule: text, colTechnique: text, colSubject: text,
		colObservables: text, colExplanation: text, colAdvice: text, colEvidence: text,
	}
}

func (w *writer) appendEvents(alias string, events []*model.Event) error {
	return w.table(alias, "events", eventTypes(), len(events), func(c *chunk, i int) error {
		e := events[i]
		ns := nanos(e.Time)
		after := int64(0)
		if !e.Last.IsZero() {
			after = min(max(nanos(e.Last)-ns, -maxAfter), maxAfter)
		}
		set(c, colTime, ns)
		set(c, colLast, after)
		hi, lo := idHalves(e.ID)
		set(c, colIDHi, hi)
		set(c, colIDLo, lo)
		set(c, colLayer, uint8(e.Layer))
		set(c, colSeverity, uint8(e.Severity))
		set(c, colCount, e.Count)
		c.text(colDevice, string(e.Device))
		c.text(colReporter, string(e.Reporter))
		c.text(colKind, string(e.Kind))
		c.text(colRule, e.Rule)
		c.text(colTechnique, e.Technique)
		c.text(colSubject, e.Subject)
		c.text(colExplanation, e.Explanation)
		c.text(colAdvice, e.Advice)
		w.buf = appendObservables(w.buf[:0], e.Observables)
		c.text(colObservables, unsafeString(w.buf))
		evidence, err := packEvidence(e)
		if err != nil {
			return err
		}
		c.text(colEvidence, unsafeString(evidence))
		return nil
	})
}

func (w *writer) appendMarks(alias string, marks []event.Mark) error {
	types := []mapping.Type{mapping.TypeVarchar, mapping.TypeUBigInt, mapping.TypeUBigInt}
	return w.table(alias, "marks", types, len(marks), func(c *chunk, i int) error {
		c.text(0, string(marks[i].Part))
		set(c, 1, marks[i].Epoch)
		set(c, 2, marks[i].Seq)
		return nil
	})
}

// table appends rows to a table, a chunk at a time; row fills one row.
func (w *writer) table(alias, table string, types []mapping.Type, rows int, row func(c *chunk, i int) error) error {
	if rows == 0 {
		return nil
	}
	var appender mapping.Appender
	if mapping.AppenderCreateExt(w.conn, alias, "main", table, &appender) == mapping.StateError {
		err := fmt.Errorf("append to %s: %s", table, mapping.AppenderError(appender))
		mapping.AppenderDestroy(&appender)
		return err
	}
	defer mapping.AppenderDestroy(&appender)
	c := newChunk(types, &w.arena)
	defer c.close()
	size := int(mapping.VectorSize())
	for from := 0; from < rows; from += size {
		n := min(size, rows-from)
		c.reset()
		for c.row = range n {
			if err := row(c, from+c.row); err != nil {
				mapping.AppenderClear(appender) // or closing it would write the rest
				return err
			}
		}
		mapping.DataChunkSetSize(c.data, mapping.IdxT(n))
		if mapping.AppendDataChunk(appender, c.data) == mapping.StateError {
			return fmt.Errorf("append to %s: %s", table, mapping.AppenderError(appender))
		}
	}
	if mapping.AppenderClose(appender) == mapping.StateError {
		return fmt.Errorf("append to %s: %s", table, mapping.AppenderError(appender))
	}
	return nil
}

// chunk is a DuckDB data chunk that is being filled.
type chunk struct {
	data    mapping.DataChunk
	vectors []unsafe.Pointer // the columns' values
	arena   *arena
	row     int
}

func newChunk(types []mapping.Type, a *arena) *chunk {
	logical := make([]mapping.LogicalType, len(types))
	for i, t := range types {
		logical[i] = mapping.CreateLogicalType(t)
	}
	c := &chunk{data: mapping.CreateDataChunk(logical), vectors: make([]unsafe.Pointer, len(types)), arena: a}
	for i := range logical {
		mapping.DestroyLogicalType(&logical[i])
	}
	return c
}

func (c *chunk) close() { mapping.DestroyDataChunk(&c.data) }

// reset makes the chunk empty. What the appender was given it has copied.
func (c *chunk) reset() {
	mapping.DataChunkReset(c.data)
	for i := range c.vectors {
		c.vectors[i] = mapping.VectorGetData(mapping.DataChunkGetVector(c.data, mapping.IdxT(i)))
	}
	c.arena.reset()
}

// set writes a number into the present row.
func set[T int64 | uint64 | uint32 | uint8](c *chunk, col int, v T) {
	*(*T)(unsafe.Add(c.vectors[col], c.row*int(unsafe.Sizeof(v)))) = v
}

// stringValue is DuckDB's duckdb_string_t (duckdb.h): up to 12 bytes stand in
// the value itself, of longer text the first 4 and its address.
type stringValue struct {
	length uint32
	prefix [4]byte
	rest   [8]byte
}

const inlined = 12

// text writes a string into the present row. Longer text goes to the arena,
// whose memory is not Go's, so DuckDB may hold its address for a while.
func (c *chunk) text(col int, s string) {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	if len(s) > math.MaxInt32 {
		s = ""
	}
	v := (*stringValue)(unsafe.Add(c.vectors[col], c.row*int(unsafe.Sizeof(stringValue{}))))
	*v = stringValue{length: uint32(len(s))}
	n := copy(v.prefix[:], s)
	if len(s) <= inlined {
		copy(v.rest[:], s[n:])
		return
	}
	*(*unsafe.Pointer)(unsafe.Pointer(&v.rest)) = unsafe.Pointer(unsafe.SliceData(c.arena.hold(s)))
}

// unsafeString gives the bytes as a string without a copy; they must not
// change while it is used.
func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
