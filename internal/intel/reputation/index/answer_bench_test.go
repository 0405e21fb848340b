package index

import (
	"fmt"
	"testing"
)

// BenchmarkAnswer answers batches of a thousand mixed questions of an index of
// two million; one operation is one question.
func BenchmarkAnswer(b *testing.B) {
	const n, size = 2 * million, 1000
	x := made(b, n, "mixed", false)
	advise(b, x)
	requests := make([][]byte, 64)
	for i := range requests {
		var batch Batch
		for j := range size {
			k := int(mix(uint64(i*size+j), 5) % (2 * n) &^ 7)
			var err error
			switch j % 4 {
			case 0, 1:
				err = batch.Address(madeAddress(k))
			case 2:
				err = batch.Object(domain(madeName(k+1), false))
			default:
				err = batch.Object(url(madeURL(k+2), false))
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		requests[i] = batch.Bytes()
	}
	room := make([]byte, 0, 16<<10)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += size {
		if _, err := x.Answer(room, requests[i/size%len(requests)]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSmall is the work of look-ups without the wait for memory.
func BenchmarkSmall(b *testing.B) {
	const n = 20_000
	x := made(b, n, "mixed", false)
	for _, what := range []string{"address", "domain", "url", "file"} {
		b.Run(fmt.Sprint(what), func(b *testing.B) { measure(b, x, asker(x, what, n)) })
	}
}
