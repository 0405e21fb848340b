// Package snapshot knows the form in which all that a reputation service knows
// goes to look-up nodes: one part for each source, with every claim that it
// makes, and a manifest that names the sources and the digests of their parts.
// Who has the claims can score and explain as the service does, and as time goes
// on. A part is always written the same way, so that a source that says what it
// said before need not be sent again.
//
// A part is a stream:
//
//	"MRC" 1, then for each claim in rising order of the objects' keys
//	  flags      a bit for each of kind, confidence, first, last, until and note
//	             that differs from the claim before, from the lowest bit on
//	  shared     how many bytes the key begins with as the one before does
//	  more       how many bytes come new
//	  bytes      those
//	  kind, confidence                       a byte each
//	  first, last, until                     the difference to the claim before
//	  note       0 is none, else its number; one above the highest so far is
//	             followed by its length and its bytes
//	0x80 and the number of claims
//
// Numbers are varints of encoding/binary, differences signed ones, modulo 2^32.
// Keys are those of package ledger.
//
// It knows neither compression nor signatures nor files; internal/control/reputation/replica
// packs, signs, keeps and sends.
package snapshot
