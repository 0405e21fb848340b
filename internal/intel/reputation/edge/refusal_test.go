package edge

import (
	"encoding/binary"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

func wantReason(t *testing.T, what string, err error, want ...Reason) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || !slices.Contains(want, e.Reason) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// sealed puts the right digest under a changed payload.
func sealed(payload []byte, change func([]byte) []byte) []byte {
	return seal(change(slices.Clone(payload[:len(payload)-digestSize])))
}

func TestRefusals(t *testing.T) {
	e := random(rand.New(rand.NewPCG(5, 6)), 500)
	one := build(t, e, Config{Header: header(ClassSmall, 5)})
	two := build(t, random(rand.New(rand.NewPCG(7, 8)), 500), Config{Header: header(ClassSmall, 6)})
	p := one.Payload
	for n := range len(p) {
		if _, err := Open(p[:n], issued, 0); err == nil {
			t.Fatalf("the first %d of %d bytes are taken", n, len(p))
		}
		changed := slices.Clone(p)
		changed[n] ^= 1 << (n % 8)
		if _, err := Open(changed, issued, 0); err == nil {
			t.Fatalf("byte %d changed is taken", n)
		}
	}
	open := func(b []byte, now uint32, held uint64) error { _, err := Open(b, now, held); return err }
	wantReason(t, "cut", open(p[:len(p)-1], issued, 0), Corrupt)
	wantReason(t, "nothing", open(nil, issued, 0), Truncated)
	wantReason(t, "replayed", open(p, issued, 5), Older)
	wantReason(t, "rolled back", open(p, issued, 6), Older)
	wantReason(t, "expired", open(p, expires, 0), Expired)
	wantReason(t, "other format", open(append([]byte("XXXX"), p...), issued, 0), Foreign)
	wantReason(t, "later class", open(sealed(p, func(b []byte) []byte { b[4] = 9; return b }), issued, 0), Foreign)
	wantReason(t, "beyond its class", open(sealed(p, func(b []byte) []byte { return append(b, make([]byte, 300<<10)...) }), issued, 0), TooBig)
	wantReason(t, "beyond all", open(make([]byte, 21<<20), issued, 0), TooBig)
	wantReason(t, "more behind", open(sealed(p, func(b []byte) []byte { return append(b, 1) }), issued, 0), Corrupt)

	d, err := Delta(p, two.Payload)
	if err != nil {
		t.Fatal(err)
	}
	apply := func(old, delta []byte) error { _, err := Apply(old, delta); return err }
	for n := range len(d) {
		if apply(p, d[:n]) == nil {
			t.Fatalf("the first %d of %d bytes of a difference are taken", n, len(d))
		}
	}
	wantReason(t, "difference of another set", apply(two.Payload, d), OtherBase)
	wantReason(t, "other outcome", apply(p, sealed(d, func(b []byte) []byte { b[40]++; return b })), Corrupt)
	_, err = Delta(two.Payload, p)
	wantReason(t, "backwards", err, OtherBase)

	set, err := Open(p, issued, 4)
	if err != nil {
		t.Fatal(err)
	}
	_, err = set.WithTails(two.Tails)
	wantReason(t, "tails of another set", err, OtherBase)
	_, err = set.WithTails(one.Tails[:len(one.Tails)-4])
	wantReason(t, "tails cut", err, Corrupt)
	_, err = set.WithTails(sealed(one.Tails, func(b []byte) []byte { return b[:len(b)-4] }))
	wantReason(t, "fewer tails", err, Corrupt)
}

func TestRefusalsOfTails(t *testing.T) {
	one := build(t, random(rand.New(rand.NewPCG(5, 6)), 500), Config{Header: header(ClassSmall, 5)})
	two := build(t, random(rand.New(rand.NewPCG(7, 8)), 400), Config{Header: header(ClassSmall, 6)})
	set := open(t, one.Payload)
	d, err := TailsDelta(one.Tails, two.Tails)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ApplyTails(one.Tails, d); err != nil || !slices.Equal(got, two.Tails) {
		t.Fatalf("difference of tails: %v", err)
	}
	for n := range len(one.Tails) {
		if _, err := set.WithTails(one.Tails[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes of tails are taken", n, len(one.Tails))
		}
		changed := slices.Clone(one.Tails)
		changed[n] ^= 1 << (n % 8)
		if _, err := set.WithTails(changed); err == nil {
			t.Fatalf("byte %d of tails changed is taken", n)
		}
	}
	for n := range len(d) {
		if _, err := ApplyTails(one.Tails, d[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes of a difference of tails are taken", n, len(d))
		}
	}
	apply := func(old, delta []byte) error { _, err := ApplyTails(old, delta); return err }
	wantReason(t, "difference of other tails", apply(two.Tails, d), OtherBase)
	wantReason(t, "of a set", apply(one.Payload, d), OtherBase)
	wantReason(t, "other outcome", apply(one.Tails, sealed(d, func(b []byte) []byte { b[40]++; return b })), Corrupt)
	wantReason(t, "more behind", apply(one.Tails, sealed(d, func(b []byte) []byte { return append(b, make([]byte, 8)...) })), Corrupt)
	_, err = set.WithTails(sealed(one.Tails, func(b []byte) []byte { return append(b, make([]byte, 8)...) }))
	wantReason(t, "a shared tail of an entry that shares none", err, Corrupt)
	if !set.Fits(one.Tails) || set.Fits(two.Tails) || !TailsFit(two.Payload, two.Tails) || TailsFit(two.Payload, nil) || TailsFit(nil, one.Tails) {
		t.Error("which tails fit which set is told wrongly")
	}
}

// TestTailsOfAnyChange: whatever changes between two sets the difference of
// their tails gives the newer ones.
func TestTailsOfAnyChange(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 1))
	sets := [][]byte{build(t, nil, Config{Header: header(ClassMedium, 1)}).Tails}
	e := random(r, 4000)
	for range 4 {
		sets = append(sets, build(t, e, Config{Header: header(ClassMedium, 2)}).Tails)
		for o := range e {
			switch r.IntN(9) {
			case 0:
				delete(e, o)
			case 1:
				e[o] = score(uint8(50 + r.IntN(51))) // to another tier
			}
		}
		maps.Copy(e, random(r, 200))
	}
	sets = append(sets, (&tails{words: []uint32{7, 7, 0, 7}, many: []uint64{2 << 32, 2<<32 | 7}}).encode([digestSize]byte{}))
	for i, old := range sets {
		for j, next := range sets {
			d, err := TailsDelta(old, next)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := ApplyTails(old, d); err != nil || !slices.Equal(got, next) {
				t.Fatalf("from %d to %d: %v", i, j, err)
			}
		}
	}
}

func FuzzApplyTails(f *testing.F) {
	old := build(f, random(rand.New(rand.NewPCG(1, 1)), 60), Config{Header: header(ClassSmall, 1)}).Tails
	for n := range 3 {
		d, err := TailsDelta(old, build(f, random(rand.New(rand.NewPCG(uint64(n), 1)), 30*n), Config{Header: header(ClassSmall, 2)}).Tails)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(d[:len(d)-digestSize], old[:len(old)-digestSize])
	}
	f.Fuzz(func(t *testing.T, delta, tails []byte) {
		_, _, _ = decodeTails("tails", seal(slices.Clone(tails)))
		if next, err := ApplyTails(old, seal(slices.Clone(delta))); err == nil {
			if _, _, err := decodeTails("tails", next); err != nil {
				t.Fatalf("the outcome cannot be read: %v", err)
			}
		}
	})
}

func FuzzOpen(f *testing.F) {
	for n := range 4 {
		s := build(f, random(rand.New(rand.NewPCG(uint64(n), 1)), n*20), Config{Header: header(ClassSmall, 1)})
		f.Add(s.Payload[:len(s.Payload)-digestSize])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		payload := seal(slices.Clone(b))
		set, err := Open(payload, 0, 0)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		set.Domain("a.b.example")
		set.Address(ObjectOf(netipOf(binary.BigEndian.Uint32(append(b, 0, 0, 0, 0)))).Prefix.Addr())
		c, err := decode(payload)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := decode(c.encode()); err != nil || len(again.sections) != len(c.sections) {
			t.Fatalf("written again: %v", err)
		}
	})
}

func FuzzApply(f *testing.F) {
	old := build(f, random(rand.New(rand.NewPCG(1, 1)), 60), Config{Header: header(ClassSmall, 1)}).Payload
	for n := range 3 {
		next := build(f, random(rand.New(rand.NewPCG(uint64(n), 1)), 30*n), Config{Header: header(ClassSmall, 2)})
		d, err := Delta(old, next.Payload)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(d[:len(d)-digestSize])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if next, err := Apply(old, seal(slices.Clone(b))); err == nil {
			if _, err := decode(next); err != nil {
				t.Fatalf("the outcome cannot be read: %v", err)
			}
		}
	})
}
