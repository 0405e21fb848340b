// Package txlist keeps the transactions of one parser: those still live,
// oldest first, and those swept, for reuse without allocation. It knows
// nothing of any protocol. The parsers below internal/inspect/protocol use it.
package txlist

import "github.com/masugata/masugata/internal/inspect/protocol"

// Transaction is a pointer to T that is a protocol.Tx. Clear makes it ready
// for the next use and keeps its memory; it must reset the Inspection with
// the number given.
type Transaction[T any] interface {
	*T
	protocol.Tx
	Clear(number uint64)
}

// List is a parser's transactions. The zero value is ready. It is not safe for
// concurrent use.
type List[T any, P Transaction[T]] struct {
	live []P
	txs  []protocol.Tx // the same as live, as the engine wants them
	free []P
	next uint64
}

// maxFree bounds the transactions kept for reuse by one parser.
const maxFree = 64

// New adds a transaction with the next number.
func (l *List[T, P]) New() P {
	var tx P
	if n := len(l.free); n > 0 {
		tx, l.free = l.free[n-1], l.free[:n-1]
	} else {
		tx = P(new(T))
	}
	tx.Clear(l.next)
	l.next++
	l.live = append(l.live, tx)
	l.txs = append(l.txs, tx)
	return tx
}

// Txs are the live transactions, oldest first; valid until the next call.
func (l *List[T, P]) Txs() []protocol.Tx { return l.txs }

// Live are the live transactions, oldest first; valid until the next call.
func (l *List[T, P]) Live() []P { return l.live }

// Next is the number that the next transaction will have.
func (l *List[T, P]) Next() uint64 { return l.next }

// Sweep frees the transactions whose Inspection says Done.
func (l *List[T, P]) Sweep() {
	kept := 0
	for i, tx := range l.live {
		if tx.Inspection().Done {
			l.release(tx)
			continue
		}
		l.live[kept], l.txs[kept] = tx, l.txs[i]
		kept++
	}
	l.cut(kept)
}

// Reset forgets all transactions and begins to number from 0 again.
func (l *List[T, P]) Reset() {
	for _, tx := range l.live {
		l.release(tx)
	}
	l.cut(0)
	l.next = 0
}

func (l *List[T, P]) release(tx P) {
	if len(l.free) < maxFree {
		l.free = append(l.free, tx)
	}
}

func (l *List[T, P]) cut(n int) {
	clear(l.live[n:])
	clear(l.txs[n:])
	l.live, l.txs = l.live[:n], l.txs[:n]
}
