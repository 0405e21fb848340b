package edge

import "encoding/binary"

// A difference of tails is: magic, digest of the old tails, digest of the new
// ones, digest of the set that those belong to; as Rice-coded gaps the places
// in the old tails of the words that go and the places in the new ones of the
// words that come; these words; then, as they are, the shared tails; SHA-256 of
// all that. It needs neither set.
const tailsDeltaHead = 3 * digestSize

// TailsDelta gives what turns the tails old into the tails next. Errors are of
// type *Error.
func TailsDelta(old, next []byte) ([]byte, error) {
	const what = "difference of tails"
	a, _, err := decodeTails(what, old)
	if err != nil {
		return nil, err
	}
	b, set, err := decodeTails(what, next)
	if err != nil {
		return nil, err
	}
	gone, come := aligned(a.words, b.words)
	sum, sumNext := Digest(old), Digest(next)
	out := append(append(append([]byte(magicTailsDelta), sum[:]...), sumNext[:]...), set[:]...)
	out = appendGaps(appendGaps(out, gone, 1, nil, 0), come, 1, nil, 0)
	for _, place := range come {
		out = binary.BigEndian.AppendUint32(out, b.words[place])
	}
	for _, m := range b.many {
		out = binary.BigEndian.AppendUint64(out, m)
	}
	return seal(out), nil
}

func readPlaces(b []byte, most int) (places []uint64, rest []byte, err error) {
	const what = "difference of tails"
	n, k, stream, rest, err := readStream(what, b, most)
	if err != nil {
		return nil, nil, err
	}
	r := bitReader{b: stream}
	places = make([]uint64, n)
	next := uint64(0)
	for i := range places {
		gap := r.rice(k)
		if gap > 1<<32 {
			return nil, nil, refuse(what, Corrupt, "place %d is beyond its range", i)
		}
		places[i] = next + gap
		next = places[i] + 1
	}
	if r.bad {
		return nil, nil, refuse(what, Corrupt, "there are fewer than %d places", n)
	}
	return places, rest, nil
}

// near is how far ahead the same word is taken for the same entry at once;
// beyond, the word behind it must be there too, which is not so of an entry
// that went from one tier to another.
const near = 64

// aligned gives the places of words in old that are not in next, and of words
// in next that are not in old, so that the others are the same in the same
// order. It need not find all that stay.
func aligned(old, next []uint32) (gone, come []uint64) {
	at := placesOf(old)
	i := 0 // first of old that is not dealt with
	for j, w := range next {
		p := at.find(old, w)
		follows := func() bool {
			if j+1 == len(next) {
				return false
			}
			q := at.find(old, next[j+1])
			return q > p && q-p <= near
		}
		if p < i || p-i > near && !follows() {
			come = append(come, uint64(j))
			continue
		}
		for ; i < p; i++ {
			gone = append(gone, uint64(i))
		}
		i++
	}
	for ; i < len(old); i++ {
		gone = append(gone, uint64(i))
	}
	return gone, come
}

// wordPlaces finds the place of a word: a table with open addressing of places,
// one more than they are.
type wordPlaces []uint32

func placesOf(words []uint32) wordPlaces {
	size := 64
	for size < 2*len(words) {
		size *= 2
	}
	t := make(wordPlaces, size)
	for i, w := range words {
		at := int(w) & (size - 1)
		for t[at] != 0 && words[t[at]-1] != w {
			at = (at + 1) & (size - 1)
		}
		if t[at] == 0 {
			t[at] = uint32(i) + 1
		}
	}
	return t
}

// find gives the first place of a word; -1 when there is none.
func (t wordPlaces) find(words []uint32, w uint32) int {
	for at := int(w) & (len(t) - 1); t[at] != 0; at = (at + 1) & (len(t) - 1) {
		if words[t[at]-1] == w {
			return int(t[at]) - 1
		}
	}
	return -1
}

// ApplyTails gives the newer tails that the difference makes of the old ones,
// byte for byte those that TailsDelta was given. What is of others, truncated
// or changed is refused with an *Error.
func ApplyTails(old, delta []byte) ([]byte, error) {
	const what = "difference of tails"
	if most := ClassLarge.Bytes(); len(delta) > most {
		return nil, refuse(what, TooBig, "%d bytes, at most %d are read", len(delta), most)
	}
	b, err := unseal(what, magicTailsDelta, delta)
	if err != nil {
		return nil, err
	}
	if len(b) < tailsDeltaHead {
		return nil, refuse(what, Truncated, "%d bytes", len(delta))
	}
	if sum := Digest(old); string(sum[:]) != string(b[:digestSize]) || len(old) < len(magicTails)+tailsHead+digestSize {
		return nil, refuse(what, OtherBase, "it is from %x, held is %x", b[:8], sum[:8])
	}
	head := b[:tailsDeltaHead]
	out := make([]byte, 0, len(old)+len(delta))
	out = append(append(out, magicTails...), head[2*digestSize:]...)
	if out, err = changeTails(out, old[len(magicTails):len(old)-digestSize], b[tailsDeltaHead:]); err != nil {
		return nil, err
	}
	out = seal(out)
	if sum := Digest(out); string(sum[:]) != string(head[digestSize:2*digestSize]) {
		return nil, refuse(what, Corrupt, "it gives the tails %x and says %x", sum[:8], head[digestSize:][:8])
	}
	return out, nil
}

// changeTails appends to out what the body of a difference b makes of the body of
// old tails: number of words, words, shared tails. The digest of the outcome
// shows whether old is what it should be.
func changeTails(out, old, b []byte) ([]byte, error) {
	const what = "difference of tails"
	held := uint64(binary.BigEndian.Uint32(old[digestSize:]))
	if old = old[tailsHead:]; uint64(len(old)) < 4*held || uint64(len(old))%8 != 4*held%8 {
		return nil, refuse("tails", Corrupt, "%d bytes for %d entries", len(old), held)
	}
	old = old[:4*held]
	gone, b, err := readPlaces(b, int(held))
	if err != nil {
		return nil, err
	}
	come, b, err := readPlaces(b, ClassLarge.most())
	if err != nil {
		return nil, err
	}
	if len(b) < 4*len(come) || (len(b)-4*len(come))%8 != 0 {
		return nil, refuse(what, Truncated, "%d bytes for %d new tails", len(b), len(come))
	}
	out = binary.BigEndian.AppendUint32(out, uint32(int(held)-len(gone)+len(come)))
	words := len(out)
	for i := uint64(0); len(gone) > 0 || len(come) > 0 || i < held; {
		stay := held - i // how many stay before the next that goes or comes
		if len(gone) > 0 {
			if gone[0] >= held {
				return nil, refuse(what, Corrupt, "it takes away more tails than there are")
			}
			stay = gone[0] - i
		}
		if len(come) > 0 {
			stay = min(stay, come[0]-uint64(len(out)-words)/4)
		}
		out = append(out, old[4*i:4*(i+stay)]...)
		i += stay
		switch {
		case len(gone) > 0 && gone[0] == i:
			gone = gone[1:]
			i++
		case len(come) > 0 && come[0] == uint64(len(out)-words)/4:
			out = append(out, b[:4]...)
			come, b = come[1:], b[4:]
		case len(come) > 0:
			return nil, refuse(what, Corrupt, "a new tail is behind the end")
		}
	}
	return append(out, b...), nil
}
